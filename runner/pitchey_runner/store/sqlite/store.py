"""The store in a file. Writes go through the group writer, reads through the pool."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pitchey_core.errors import StoreError
from pitchey_core.pricing import PriceBook
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.store import QUIET, SqlStore
from pitchey_runner.store.sqlite.connection import ChangeWatch, ReaderPool, patiently
from pitchey_runner.store.sqlite.writer import group_writer

__all__ = ["SqliteStore"]

T = TypeVar("T")


def _wall_clock() -> int:
    return time.time_ns() // 1000


class SqliteStore(SqlStore):
    """A job store in one file, whose schema is current (see :func:`~.schema.ensure_current`).

    Args:
        path: Absolute path of the file.
        prices: What lost attempts cost.
        clock: Microseconds since 1970 UTC.
    """

    def __init__(self, path: Path, *, prices: PriceBook, clock: Callable[[], int] = _wall_clock) -> None:
        super().__init__(prices=prices)
        self.url = f"sqlite:///{path}"
        self._path = path
        self._time = clock
        self._pid = os.getpid()
        self._writer = group_writer(path)
        self._readers = ReaderPool(path)
        self._watch = ChangeWatch(path)

    def close(self) -> None:
        if os.getpid() != self._pid:
            return
        self._writer.close()
        self._readers.close()
        self._watch.close()

    def change_counter(self) -> int:
        self._refuse_fork()
        return self._watch.counter()

    def wait_for_change(self, seen: int, timeout: float) -> int:
        self._refuse_fork()
        return self._watch.wait(seen, timeout)

    def _clock(self) -> int:
        return self._time()

    def _write(self, operation: Callable[..., T], *arguments: Any) -> T:
        self._refuse_fork()
        # The clock is read inside the transaction: a wait for the lock must not age a lease.
        return self._writer.write(
            lambda connection: operation(connection, self._time(), *arguments), quiet=operation in QUIET
        )

    def _look(self, query: Callable[[SqlConnection], T]) -> T:
        self._refuse_fork()
        with self._readers.connection() as connection:
            return patiently(lambda: query(connection))

    def _refuse_fork(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError(
                f"{self._path}: this store was opened before a fork; SQLite connections do not survive one",
                remedy="call open_store() again in the child process",
            )
