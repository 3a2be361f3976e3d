"""Enqueueing through a connection that is not ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psycopg

from pitchey_core.errors import StoreError, UsageError
from pitchey_runner.store.postgres.awaited import AwaitedConnection
from pitchey_runner.store.postgres.changes import CHANNEL
from pitchey_runner.store.postgres.connection import PostgresConnection, connect
from pitchey_runner.store.postgres.event_horizon import ANNOUNCE
from pitchey_runner.store.postgres.location import Location, locate
from pitchey_runner.store.postgres.writing import CLOCK
from pitchey_runner.store.records import NewJob
from pitchey_runner.store.sql import producing

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["enqueue_in"]

# Which database of which running server it is, however its host is called.
_WHERE = "SELECT current_database() AS name, pg_postmaster_start_time() AS since"
_places: dict[str, tuple[Any, ...]] = {}


def enqueue_in(url: str, connection: Connection, jobs: Sequence[NewJob]) -> list[str | None]:
    """See :class:`~pitchey_runner.store.drivers.Driver`."""
    location = locate(url)
    # Through SQLAlchemy, so that it knows of the transaction, and commits it.
    here = (
        tuple(connection.exec_driver_sql(_WHERE).one()) if connection.dialect.name == "postgresql" else None
    )
    if here is None or not _is_place(here, location):
        raise StoreError(
            f"the connection is to another database ({connection.engine.url.render_as_string()})"
            f" than the store ({location.place})",
            remedy="open the store that your program keeps its data in",
        )
    raw = _psycopg(connection)
    ours = PostgresConnection(raw)
    try:
        # What cannot be enqueued leaves the transaction as it was, usable and without half of the jobs.
        with connection.begin_nested():
            try:
                now = ours.execute(f"SELECT {CLOCK} AS now, {ANNOUNCE}").fetchall()[0]["now"]
                prepared = producing.prepare(jobs, None)
                answers = producing.enqueue(ours, int(now), prepared, None, lines_later=True)
            finally:
                ours.answered()
            # Heard when, and if, the transaction commits.
            raw.execute(f"NOTIFY {CHANNEL}")
    except psycopg.Error as error:
        raise StoreError(
            f"the jobs were not enqueued: {error}", remedy="roll the transaction back and try again"
        ) from error
    return answers


def _psycopg(connection: Connection) -> Any:
    """The driver's connection, for code that does not await.

    Raises:
        StoreError: It is another driver's.
        UsageError: It commits each statement by itself.
    """
    raw = connection.connection.driver_connection
    if not isinstance(raw, psycopg.Connection | psycopg.AsyncConnection):
        raise StoreError(
            f"the connection is one of {type(raw).__module__}; jobs are enqueued through psycopg",
            remedy="connect with postgresql+psycopg://",
        )
    if raw.autocommit:
        raise UsageError(
            "connection: it commits each statement by itself, so there is no transaction to enqueue in",
            remedy="leave out isolation_level='AUTOCOMMIT' there, or submit without connection",
        )
    return AwaitedConnection(raw) if isinstance(raw, psycopg.AsyncConnection) else raw


def _is_place(here: tuple[Any, ...], location: Location) -> bool:
    if here != _places.get(location.conninfo):
        # Asked once: another answer is another server, or the same after a restart.
        _places[location.conninfo] = _place(location)
    return here == _places[location.conninfo]


def _place(location: Location) -> tuple[Any, ...]:
    try:
        with connect(location) as raw:
            return tuple(raw.execute(_WHERE).fetchall()[0])
    except psycopg.Error as error:
        raise StoreError(f"{location.place}: {error}") from error
