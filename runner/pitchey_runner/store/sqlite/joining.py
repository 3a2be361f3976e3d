"""Enqueueing through a connection that is not ours."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from pitchey_core.errors import StoreError
from pitchey_runner.store.joining import JoinedConnection
from pitchey_runner.store.records import NewJob
from pitchey_runner.store.sqlite import producing
from pitchey_runner.store.sqlite.failures import translated
from pitchey_runner.store.sqlite.location import locate
from pitchey_runner.store.sqlite.lock import WriterLock

__all__ = ["enqueue_in"]


def enqueue_in(url: str, connection: JoinedConnection, jobs: Sequence[NewJob]) -> list[str | None]:
    """See :func:`pitchey_runner.store.joining.enqueue_in`."""
    path = locate(url)
    _check_database(path, connection)
    _begin_to_write(path, connection)
    rows = producing.prepare(jobs, None)
    return producing.enqueue(cast("Any", connection), time.time_ns() // 1000, rows, None)


def _check_database(path: Path, connection: JoinedConnection) -> None:
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


def _begin_to_write(path: Path, connection: JoinedConnection) -> None:
    """Hold the database's write lock before anything is read: the numbers that jobs get depend on it."""
    raw = connection.sqlalchemy.connection.driver_connection
    if getattr(raw, "in_transaction", False):
        # Changes nothing, but asks for the lock all the same.
        connection.execute("UPDATE job SET state = state WHERE FALSE")
        return
    with translated(path):
        lock = WriterLock(path)
        try:
            # In the queue of our own writers, for the moment that it takes to get SQLite's lock.
            with lock:
                connection.execute("BEGIN IMMEDIATE")
        finally:
            lock.close()
