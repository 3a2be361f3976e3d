"""Connections as this store wants them: durable writers, short and harmless readers."""

from __future__ import annotations

import functools
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, TypeVar

from pitchey_core.errors import StoreError
from pitchey_runner.store.sql.connection import Columns
from pitchey_runner.store.sql.rows import by_name
from pitchey_runner.store.sqlite.bell import Bell, bell_of
from pitchey_runner.store.sqlite.failures import busy, translated
from pitchey_runner.store.sqlite.many import ForMany

__all__ = ["ChangeWatch", "ReaderPool", "SqliteConnection", "connect_reader", "connect_writer", "patiently"]

T = TypeVar("T")

_BUSY_SECONDS = 8.0
_TRIES = 3
_JOURNAL_LIMIT_BYTES = 64 << 20
_POLL_SECONDS = 0.002
_UNTOLD_SECONDS = 0.02
"""How often to look for commits of programs that ring no bell."""
_WRITER_CACHE_KIB = 16 << 10
_OLDEST = (3, 38)  # RETURNING, STRICT tables, and the JSON functions always on


_for_many = functools.cache(ForMany)


class SqliteConnection(sqlite3.Connection):
    """See :class:`~pitchey_runner.store.sql.connection.SqlConnection`: writers are serial here, so nothing is held."""

    refusal: ClassVar[type[Exception]] = sqlite3.IntegrityError

    def executemany(self, statement: str, rows: Any, /) -> sqlite3.Cursor:
        cursor = self.cursor()
        for text, values in _for_many(statement).calls(rows):
            cursor.execute(text, values)
        return cursor

    def insert(self, statement: str, columns: Columns, /) -> None:
        for text, values in _for_many(statement).calls_for(columns):
            self.execute(text, values)

    def each(self, statement: str, rows: Sequence[Mapping[str, Any]], /) -> Sequence[Any]:
        answers: dict[tuple[str, int], Any] = {}
        for text, values in _for_many(statement).calls(rows):
            changed = by_name(self.execute(text, values).fetchall())
            answers.update(((row["id"], row["claim_seq"]), row) for row in changed)
        return [answers.get((row["id"], row["claim_seq"])) for row in rows]

    def answered(self) -> None:
        pass

    def new_job_numbers(self, count: int, /) -> Sequence[int]:
        row = self.execute("SELECT seq FROM sqlite_sequence WHERE name = 'job'").fetchone()
        first = 1 if row is None else row[0] + 1
        return range(first, first + count)

    def hold(self, ids: Sequence[str], /) -> None:
        pass

    def gate(self) -> None:
        pass

    def close_ledger(self) -> None:
        pass


def connect_writer(path: Path) -> SqliteConnection:
    """A connection whose commits survive a power cut; creates the file."""
    connection = _connect(path, mode="rwc")
    try:
        # Held in the file: asking first spares the exclusive lock that setting it needs.
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            patiently(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone())
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT_BYTES}").fetchone()
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> SqliteConnection:
    """A connection that cannot write; the file must exist."""
    connection = _connect(path, mode="rw")
    connection.execute("PRAGMA query_only = ON")
    return connection


def patiently(action: Callable[[], T]) -> T:
    """Do it again where SQLite's own patience with a busy file is used up, with jitter between the tries."""
    for attempt in range(1, _TRIES):
        try:
            return action()
        except sqlite3.OperationalError as error:
            if not busy(error):
                raise
            time.sleep(random.uniform(0.05, 0.2) * attempt)  # noqa: S311 - jitter, not a secret
    return action()


class ReaderPool:
    """Read connections, one per reader at the same time, kept for the next one. Thread-safe.

    Short autocommitted statements: a reader that stays open would keep the log from being checkpointed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[SqliteConnection] = []
        self._guard = Lock()
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[SqliteConnection]:
        """Lend a connection.

        Raises:
            StoreError: The pool is closed, or the file cannot be opened.
        """
        with translated(self._path):
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)

    def close(self) -> None:
        """Close the idle connections now and the others when they come back."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> SqliteConnection:
        with self._guard:
            if self._closed:
                raise StoreError(f"{self._path}: the store is closed")
            if self._idle:
                return self._idle.pop()
        return connect_reader(self._path)

    def _give_back(self, connection: SqliteConnection) -> None:
        with self._guard:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()


class ChangeWatch:
    """A connection that notices the commits of all others. Thread-safe.

    The number means something only on one and the same connection.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bell: Bell | None = None
        self._guard = Lock()
        self._connection: SqliteConnection | None = None
        self._closed = False

    def counter(self) -> int:
        """SQLite's ``data_version``.

        Raises:
            StoreError: The watch is closed, or the file cannot be opened.
        """
        with self._guard, translated(self._path):
            if self._closed:
                raise StoreError(f"{self._path}: the store is closed")
            self._connection = connection = self._connection or connect_reader(self._path)
            return int(patiently(lambda: connection.execute("PRAGMA data_version").fetchone())[0])

    def wait(self, seen: int, timeout: float) -> int:
        """Wait until the number differs from ``seen``, for ``timeout`` seconds at most; what it is then.

        Raises:
            StoreError: See :meth:`counter`.
        """
        end = time.monotonic() + timeout
        bell = self._hung_up()
        while (counter := self.counter()) == seen and (left := end - time.monotonic()) > 0:
            if bell is None:
                time.sleep(min(_POLL_SECONDS, left))
            else:
                bell.wait(min(_UNTOLD_SECONDS, left))
        return counter

    def _hung_up(self) -> Bell | None:
        """The bell, as long as this is open, and where the kernel has one."""
        with self._guard:
            if self._bell is None and not self._closed:
                with suppress(OSError):
                    self._bell = Bell(bell_of(self._path))
            return self._bell

    def close(self) -> None:
        """Close the connection. Safe to call twice."""
        with self._guard:
            self._closed = True
            connection, self._connection = self._connection, None
            bell, self._bell = self._bell, None
        for each in (connection, bell):
            if each is not None:
                each.close()


def _connect(path: Path, *, mode: str) -> SqliteConnection:
    if sqlite3.sqlite_version_info < _OLDEST:
        raise StoreError(
            f"SQLite is {sqlite3.sqlite_version} here; the job store needs {'.'.join(map(str, _OLDEST))}",
            remedy="use a newer Python",
        )
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        factory=SqliteConnection,
    )
    connection.row_factory = sqlite3.Row
    return connection
