"""Enqueueing through a connection that is not ours."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy.exc import IntegrityError

from pitchey_core.errors import StoreError, UsageError
from pitchey_runner.store.records import NewJob
from pitchey_runner.store.sql import producing
from pitchey_runner.store.sql.connection import Columns
from pitchey_runner.store.sqlite.failures import translated
from pitchey_runner.store.sqlite.location import locate
from pitchey_runner.store.sqlite.lock import WriterLock

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult

__all__ = ["enqueue_in"]


def enqueue_in(url: str, connection: Connection, jobs: Sequence[NewJob]) -> list[str | None]:
    """See :class:`~pitchey_runner.store.drivers.Driver`."""
    path = locate(url)
    joined = _JoinedConnection(connection)
    _check_database(path, joined)
    _begin_to_write(path, joined)
    prepared = producing.prepare(jobs, None)
    # What cannot be enqueued leaves the transaction as it was, without half of the jobs.
    with connection.begin_nested():
        return producing.enqueue(joined, time.time_ns() // 1000, prepared, None)


class _Rows:
    """The answer to a statement: rows by name."""

    def __init__(self, result: CursorResult[Any]) -> None:
        self._result = result

    @property
    def rowcount(self) -> int:
        return self._result.rowcount

    def fetchone(self) -> Any:
        return self._result.mappings().fetchone()

    def fetchall(self) -> list[Any]:
        return list(self._result.mappings().fetchall())


class _JoinedConnection:
    """See :class:`~pitchey_runner.store.sql.connection.SqlConnection`; through SQLAlchemy, whatever is below it."""

    refusal: ClassVar[type[Exception]] = IntegrityError

    def __init__(self, connection: Connection) -> None:
        self.sqlalchemy = connection

    def execute(self, statement: str, values: Mapping[str, Any] | None = None, /) -> _Rows:
        return _Rows(self.sqlalchemy.exec_driver_sql(statement, dict(values) if values else None))

    def executemany(self, statement: str, rows: Sequence[Mapping[str, Any]], /) -> object:
        # An empty list would be taken for a call without values.
        return self.sqlalchemy.exec_driver_sql(statement, [dict(row) for row in rows]) if rows else None

    def insert(self, statement: str, columns: Columns, /) -> object:
        return self.executemany(
            statement, [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        )

    def each(self, statement: str, rows: Sequence[Mapping[str, Any]], /) -> Sequence[Any]:
        return [self.execute(statement, row).fetchone() for row in rows]

    def answered(self) -> None:
        pass

    def new_job_numbers(self, count: int, /) -> Sequence[int]:
        row = self.execute("SELECT seq FROM sqlite_sequence WHERE name = 'job'").fetchone()
        first = 1 if row is None else row["seq"] + 1
        return range(first, first + count)

    def hold(self, ids: Sequence[str], /) -> None:
        pass

    def gate(self) -> None:
        pass

    def close_ledger(self) -> None:
        pass


def _check_database(path: Path, connection: _JoinedConnection) -> None:
    dialect = connection.sqlalchemy.dialect.name
    if dialect != "sqlite":
        raise StoreError(f"the connection is to a {dialect} database, the store is {path}")
    files = {row["name"]: row["file"] for row in connection.execute("PRAGMA database_list").fetchall()}
    file = files.get("main")
    if not file or not path.exists() or not path.samefile(file):
        raise StoreError(
            f"the connection is to {file or 'a database in memory'}, the store is {path}",
            remedy=f"open the store that your program keeps its data in: pitchey_runner.open({file!r})",
        )


def _begin_to_write(path: Path, connection: _JoinedConnection) -> None:
    """Hold the database's write lock before anything is read: the numbers that jobs get depend on it."""
    sqlalchemy = connection.sqlalchemy
    raw: Any = sqlalchemy.connection.driver_connection
    if raw.in_transaction:
        # Changes nothing, but asks for the lock all the same.
        connection.execute("UPDATE job SET state = state WHERE FALSE")
        return
    if raw.isolation_level is None:
        raise UsageError(
            "connection: it commits each statement by itself, so there is no transaction to enqueue in",
            remedy="leave out isolation_level='AUTOCOMMIT' there, or submit without connection",
        )
    if sqlalchemy.dialect.is_async:
        # Who waits for a lock file holds up the event loop, and with it whoever is to let go of the lock.
        connection.execute("BEGIN IMMEDIATE")
        return
    with translated(path):
        lock = WriterLock(path)
        try:
            # In the queue of our own writers, for the moment that it takes to get SQLite's lock.
            with lock:
                connection.execute("BEGIN IMMEDIATE")
        finally:
            lock.close()
