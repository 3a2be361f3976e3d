"""Group commit: one thread per store writes, and one disk flush serves all who wait.

Operations that arrive during a flush form the next group. Each runs in a savepoint of its own, so one that
fails takes nothing else with it; nobody is answered before the group is on disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

from pitchey_core.errors import StoreError
from pitchey_runner.store.sqlite.connection import SqliteConnection, connect_writer, patiently
from pitchey_runner.store.sqlite.failures import translated
from pitchey_runner.store.sqlite.lock import WriterLock

__all__ = ["GroupWriter"]

T = TypeVar("T")

_MAX_GROUP = 512
_PATIENCE_SECONDS = 60.0
_GOODBYE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Operation:
    run: Callable[[SqliteConnection], Any]
    answer: Future[Any]

    def refuse(self, error: Exception) -> None:
        # Whoever is answered already, or no longer waits, stays so.
        with suppress(InvalidStateError):
            self.answer.set_exception(error)


class GroupWriter:
    """The one writer of a store in this process. Its thread starts with the first write. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: SimpleQueue[_Operation | None] = SimpleQueue()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._writing = 0

    def write(self, operation: Callable[[SqliteConnection], T]) -> T:
        """Run ``operation`` inside a transaction of the writer thread; durable when this returns.

        Raises:
            StoreError: The store is closed or broken, or its lock was not to be had; nothing was written.
            OutOfSpace: The disk is full; nothing was written.
        """
        answer: Future[Any] = Future()
        with self._guard:
            if self._closed:
                raise StoreError(f"{self._path}: the store is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="pitchey-store-writer", daemon=True)
                self._thread.start()
            self._waiting.put(_Operation(operation, answer))
            self._writing += 1
        try:
            with translated(self._path):
                return cast("T", self._wait(answer))
        finally:
            with self._guard:
                self._writing -= 1

    def close(self) -> None:
        """Write what is waiting and end the thread. Safe to call twice.

        Where nobody waits for an answer any more the thread may still wait for the lock, on nobody's behalf, and for
        ever if a stopped process holds it. Then it is left behind: it writes nothing, and ends with the lock's holder
        or with this process.
        """
        with self._guard:
            self._closed = True
            thread, self._thread = self._thread, None
            patience = _PATIENCE_SECONDS if self._writing else _GOODBYE_SECONDS
            if thread is not None:
                self._waiting.put(None)
        if thread is not None:
            thread.join(patience)

    def _wait(self, answer: Future[Any]) -> Any:
        try:
            return answer.result(_PATIENCE_SECONDS)
        except TimeoutError:
            if not answer.cancel():
                return answer.result()
        raise StoreError(
            f"{self._path}: another process has held the store's write lock for {_PATIENCE_SECONDS:.0f} s",
            remedy=f"find it with: fuser -v {self._path}.writers",
        )

    def _work(self) -> None:
        session = _Session(self._path)
        try:
            while (first := self._waiting.get()) is not None:
                group = [first]
                try:
                    with session.lock():
                        self._join(group)
                        group = [each for each in group if each.answer.set_running_or_notify_cancel()]
                        session.commit(group)
                except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must be told
                    session.close()
                    for operation in group:
                        operation.refuse(error)
        finally:
            session.close()

    def _join(self, group: list[_Operation]) -> None:
        """Add what waits by now."""
        while len(group) < _MAX_GROUP:
            try:
                operation = self._waiting.get_nowait()
            except Empty:
                return
            if operation is None:
                # Nothing comes after the end: the loop finds it again once this group is answered.
                self._waiting.put(None)
                return
            group.append(operation)


class _Session:
    """The writer thread's lock and connection, opened on first use and again after a failure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: WriterLock | None = None
        self._connection: SqliteConnection | None = None

    def lock(self) -> WriterLock:
        self._lock = self._lock or WriterLock(self._path)
        return self._lock

    def commit(self, group: list[_Operation]) -> None:
        """Run a group in one transaction, then answer it.

        Raises:
            sqlite3.Error: The transaction as a whole failed; nobody was answered.
        """
        self._connection = connection = self._connection or connect_writer(self._path)
        patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
        outcomes = [_in_savepoint(connection, operation) for operation in group]
        connection.execute("COMMIT")
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


def _in_savepoint(connection: SqliteConnection, operation: _Operation) -> tuple[Any, Exception | None]:
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
