"""Enqueueing through a connection that is not ours."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg

from pitchey_core.errors import StoreError
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


def enqueue_in(url: str, connection: Connection, jobs: Sequence[NewJob]) -> list[str | None]:
    """See :class:`~pitchey_runner.store.drivers.Driver`."""
    location = locate(url)
    # Through SQLAlchemy, so that it knows of the transaction, and commits it.
    here = (
        tuple(connection.exec_driver_sql(_WHERE).one()) if connection.dialect.name == "postgresql" else None
    )
    if here is None or here != _place(location):
        raise StoreError(
            f"the connection is to another database ({connection.engine.url.render_as_string()})"
            f" than the store ({location.place})",
            remedy="open the store that your program keeps its data in",
        )
    raw: Any = connection.connection.driver_connection
    if not isinstance(raw, psycopg.Connection):
        raise StoreError(
            f"the connection is one of {type(raw).__module__}; jobs are enqueued through psycopg",
            remedy="connect with postgresql+psycopg://",
        )
    ours = PostgresConnection(raw)
    try:
        now = ours.execute(f"SELECT {CLOCK} AS now, {ANNOUNCE}").fetchall()[0]["now"]
        answers = producing.enqueue(ours, int(now), producing.prepare(jobs, None), None)
        ours.answered()
        # Heard when, and if, the transaction commits.
        raw.execute(f"NOTIFY {CHANNEL}")
    except psycopg.Error as error:
        with suppress(psycopg.Error):
            ours.answered()
        raise StoreError(
            f"the jobs were not enqueued: {error}", remedy="roll the transaction back and try again"
        ) from error
    return answers


def _place(location: Location) -> tuple[Any, ...]:
    try:
        with connect(location) as raw:
            return tuple(raw.execute(_WHERE).fetchall()[0])
    except psycopg.Error as error:
        raise StoreError(f"{location.place}: {error}") from error
