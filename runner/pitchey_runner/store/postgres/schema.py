"""Is the database's schema the one that this code works with? And if there is none yet, make it."""

from __future__ import annotations

from typing import Any

import psycopg

from pitchey_core.errors import StoreError
from pitchey_runner.store import migrations
from pitchey_runner.store.postgres.connection import connect
from pitchey_runner.store.postgres.failures import translated
from pitchey_runner.store.postgres.location import Location

__all__ = ["ensure_current", "revision_of", "upgrade_database"]

_MIGRATING = 0x706974636865796D  # "pitcheym", as a number
_FIND = "SELECT current_schema(), to_regclass('alembic_version') IS NOT NULL, to_regclass('job_event') IS NOT NULL"


def ensure_current(location: Location) -> None:
    """Create the store where there is none.

    Raises:
        StoreError: It is older or newer than this code, or the database cannot be used.
    """
    revision = revision_of(location)
    if revision is None:
        upgrade_database(location)
        return
    _refuse_newer(location, revision)
    if revision != migrations.HEAD:
        raise StoreError(
            f"{location.place}: the store has schema {revision}; this version of Pitchey works with"
            f" {migrations.HEAD}",
            remedy="stop its workers, then: pitchey-run db upgrade",
        )


def revision_of(location: Location) -> str | None:
    """The schema's revision; ``None`` where there is no store yet.

    Raises:
        StoreError: The database cannot be used, or its ``alembic_version`` is somebody else's.
    """
    with translated(location.place), connect(location) as raw:
        return _read_revision(raw, location)


def upgrade_database(location: Location) -> str:
    """Create the store or bring it up to date, in one transaction that keeps all other migrations out.

    Raises:
        StoreError: See :func:`revision_of`; or it is newer than this code.
    """
    with translated(location.place), connect(location) as raw:
        # Held by this connection until it is closed: what happens on the other one happens once.
        raw.execute("SELECT pg_advisory_lock(%s)", (_MIGRATING,))
        revision = _read_revision(raw, location)
        if revision is not None:
            _refuse_newer(location, revision)
        if revision != migrations.HEAD:
            _migrate(location)
    return migrations.HEAD


def _read_revision(raw: psycopg.Connection[Any], location: Location) -> str | None:
    schema, versioned, ours = raw.execute(_FIND).fetchone() or (None, False, False)
    if schema is None:
        raise StoreError(
            f"{location.place}: the schema that the URL asks for is not there", remedy="CREATE SCHEMA it"
        )
    row = raw.execute("SELECT version_num FROM alembic_version").fetchone() if versioned else None
    if row is not None and not ours:
        raise StoreError(
            f"{location.place}: schema {schema} belongs to another program that uses Alembic",
            remedy="CREATE SCHEMA pitchey, and add to the URL: ?options=-csearch_path%3Dpitchey",
        )
    return None if row is None else str(row[0])


def _refuse_newer(location: Location, revision: str) -> None:
    if revision > migrations.HEAD:
        raise StoreError(
            f"{location.place}: the store has schema {revision}, made by a newer Pitchey than this one",
            remedy="pip install -U pitchey",
        )


def _migrate(location: Location) -> None:
    # 300 ms of imports, which only a new or an old store is worth.
    from pitchey_runner.store.postgres.transactions import changing

    with changing(location) as connection:
        migrations.apply(connection)
