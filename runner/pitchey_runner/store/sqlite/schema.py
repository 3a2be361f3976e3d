"""Is the file's schema the one that this code works with? And if there is none yet, make it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pitchey_core.errors import StoreError
from pitchey_runner.store import migrations
from pitchey_runner.store.sqlite.connection import connect_reader, patiently
from pitchey_runner.store.sqlite.failures import translated
from pitchey_runner.store.sqlite.lock import WriterLock

__all__ = ["ensure_current", "revision_of", "upgrade_file"]


def ensure_current(path: Path) -> None:
    """Create the store where there is none.

    Raises:
        StoreError: It is no store of ours, or older or newer than this code.
    """
    revision = revision_of(path)
    if revision is None:
        upgrade_file(path)
        return
    _refuse_newer(path, revision)
    if revision != migrations.HEAD:
        raise StoreError(
            f"{path}: the store has schema {revision}; this version of Pitchey works with {migrations.HEAD}",
            remedy=f"stop its workers, then: pitchey-run db upgrade --store sqlite:///{path}",
        )


def revision_of(path: Path) -> str | None:
    """The schema's revision; ``None`` where there is no file, or an empty one.

    Raises:
        StoreError: The file is no store of ours, or cannot be read.
    """
    with translated(path):
        if not path.exists() or path.stat().st_size == 0:
            return None
        with closing(connect_reader(path)) as connection:
            return patiently(lambda: _read_revision(connection, path))


def upgrade_file(path: Path) -> str:
    """Create the store or bring it up to date, in one transaction that keeps all other writers out.

    Raises:
        StoreError: See :func:`revision_of`; or it is newer than this code.
    """
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = WriterLock(path)
        with closing(lock), lock:
            revision = revision_of(path)
            if revision is not None:
                _refuse_newer(path, revision)
            if revision != migrations.HEAD:
                _migrate(path)
    return migrations.HEAD


def _read_revision(connection: sqlite3.Connection, path: Path) -> str | None:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "alembic_version" in tables and "job_event" in tables:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        if row is not None:
            return str(row[0])
    if tables:
        raise StoreError(
            f"{path} is a SQLite database, but no job store", remedy="set PITCHEY_STORE to another file"
        )
    return None


def _refuse_newer(path: Path, revision: str) -> None:
    if revision > migrations.HEAD:
        raise StoreError(
            f"{path}: the store has schema {revision}, made by a newer Pitchey than this one",
            remedy="pip install -U pitchey",
        )


def _migrate(path: Path) -> None:
    # 300 ms of imports, which only a new or an old store is worth.
    from pitchey_runner.store.sqlite.transactions import changing_unlocked

    with changing_unlocked(path) as connection:
        migrations.apply(connection)
