"""The session of the group writer: a connection behind the lock, with a savepoint for each operation."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from pitchey_runner.store.sql.writer import GroupWriter, Operation
from pitchey_runner.store.sqlite.connection import SqliteConnection, connect_writer, patiently
from pitchey_runner.store.sqlite.failures import translated
from pitchey_runner.store.sqlite.lock import WriterLock

__all__ = ["group_writer"]


def group_writer(path: Path) -> GroupWriter[SqliteConnection]:
    """The writer of the store in ``path``."""
    remedy = f"find it with: fuser -v {path}.writers"
    return GroupWriter(path, partial(_Session, path), partial(translated, path), remedy)


class _Session:
    """The writer thread's lock and connection, opened on first use and again after a failure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: WriterLock | None = None
        self._connection: SqliteConnection | None = None

    def lock(self) -> WriterLock:
        self._lock = self._lock or WriterLock(self._path)
        return self._lock

    def commit(self, group: list[Operation[SqliteConnection]]) -> None:
        """Run a group in one transaction, then answer it.

        Raises:
            sqlite3.Error: The transaction as a whole failed; nobody was answered.
        """
        self._connection = connection = self._connection or connect_writer(self._path)
        patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
        outcomes = [_in_savepoint(connection, operation) for operation in group]
        connection.execute("COMMIT")
        if not all(operation.quiet for operation in group):
            self.lock().tell()
        for operation, (result, error) in zip(group, outcomes, strict=True):
            if error is None:
                operation.answer.set_result(result)
            else:
                operation.answer.set_exception(error)

    def close(self) -> None:
        """Roll back what is open and let go of everything."""
        connection, self._connection = self._connection, None
        lock, self._lock = self._lock, None
        if connection is not None:
            connection.close()
        if lock is not None:
            lock.close()


def _in_savepoint(
    connection: SqliteConnection, operation: Operation[SqliteConnection]
) -> tuple[Any, Exception | None]:
    connection.execute("SAVEPOINT operation")
    try:
        result = operation.run(connection)
    except Exception as error:
        # On a full disk or an I/O error SQLite rolls back the whole transaction, the others' work with it.
        if not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO operation")
        connection.execute("RELEASE operation")
        return None, error
    connection.execute("RELEASE operation")
    return result, None
