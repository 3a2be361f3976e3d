"""Transactions on SQLAlchemy connections, for what is done to a store as a whole. Imports SQLAlchemy (300 ms)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from pitchey_runner.store.sqlite.connection import connect_reader, connect_writer
from pitchey_runner.store.sqlite.failures import translated
from pitchey_runner.store.sqlite.lock import WriterLock

__all__ = ["changing", "changing_unlocked", "looking"]


@contextmanager
def looking(path: Path) -> Iterator[Connection]:
    """A transaction that sees one state of the store and changes nothing.

    Raises:
        StoreError: The file cannot be read.
    """
    with translated(path), _transaction(lambda: connect_reader(path), "BEGIN") as connection:
        yield connection


@contextmanager
def changing(path: Path) -> Iterator[Connection]:
    """A transaction that keeps all other writers out, committed where the block ends well.

    Raises:
        StoreError: The file cannot be written.
        OutOfSpace: The disk is full; nothing was changed.
    """
    with translated(path):
        lock = WriterLock(path)
        with closing(lock), lock, changing_unlocked(path) as connection:
            yield connection


@contextmanager
def changing_unlocked(path: Path) -> Iterator[Connection]:
    """The same for one who holds the lock already; raises SQLite's own errors."""
    with _transaction(lambda: connect_writer(path), "BEGIN IMMEDIATE") as connection:
        yield connection


@contextmanager
def _transaction(connect: Callable[[], sqlite3.Connection], begin: str) -> Iterator[Connection]:
    def creator() -> sqlite3.Connection:
        connection = connect()
        connection.row_factory = None
        return connection

    engine = create_engine("sqlite://", creator=creator, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(begin)
            yield connection
    except DBAPIError as error:
        raise error.orig if isinstance(error.orig, sqlite3.Error) else error from error
    finally:
        engine.dispose()
