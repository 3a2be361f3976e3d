"""Transactions on SQLAlchemy connections, for what is done to a store as a whole. Imports SQLAlchemy (300 ms)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from pitchey_runner.store.postgres.failures import translated
from pitchey_runner.store.postgres.location import Location

__all__ = ["changing", "looking"]

# The work may take its time; waiting for locks may not.
_PATIENT = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
# What looks at everything need not go through the indexes.
_WHOLE = "; ".join(
    f"SET LOCAL {name} = {value}"
    for name, value in (
        ("enable_seqscan", "on"),
        ("enable_hashjoin", "on"),
        ("enable_mergejoin", "on"),
        ("plan_cache_mode", "auto"),
    )
)


@contextmanager
def looking(location: Location) -> Iterator[Connection]:
    """A transaction that sees one state of the store and changes nothing.

    Raises:
        StoreError: The database cannot be read.
    """
    with changing(location) as connection:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.exec_driver_sql(_WHOLE)
        yield connection


@contextmanager
def changing(location: Location) -> Iterator[Connection]:
    """A transaction, committed where the block ends well.

    Raises:
        StoreError: The database cannot be written.
        OutOfSpace: The server's disk is full; nothing was changed.
    """
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(location.conninfo), poolclass=NullPool
    )
    with translated(location.place):
        try:
            with engine.begin() as connection:
                for setting in _PATIENT.split(";"):
                    connection.exec_driver_sql(setting)
                yield connection
        except DBAPIError as error:
            raise error.orig if isinstance(error.orig, psycopg.Error) else error from error
        finally:
            engine.dispose()
