"""Enqueueing in a transaction of somebody else: the jobs are there if, and only if, that commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pitchey_core.errors import StoreError, UsageError
from pitchey_runner.store.drivers import driver_of
from pitchey_runner.store.interface import JobStore, NewJob

__all__ = ["enqueue_in"]


def enqueue_in(store: JobStore, transaction: Any, jobs: Sequence[NewJob]) -> list[str]:
    """Insert jobs through an open SQLAlchemy ``Connection`` or ``Session``.

    Workers are woken by the commit.

    Returns:
        The ids of the jobs; where a job of the same unique key is there, that one's.

    Raises:
        UsageError: It is neither of the two.
        StoreError: It leads to another database than the store, or the database refuses the jobs.
    """
    from sqlalchemy import Connection
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.orm import Session

    if isinstance(transaction, Session):
        transaction = transaction.connection()
    if not isinstance(transaction, Connection):
        raise UsageError(
            f"connection: a {type(transaction).__name__} is not an SQLAlchemy Connection or Session",
            remedy="with an asynchronous one: await connection.run_sync(lambda c: jobs.submit(…, connection=c))",
        )
    if not jobs:
        return []
    try:
        ids = driver_of(store.url).enqueue_in(store.url, transaction, jobs)
    except DBAPIError as error:
        raise StoreError(
            f"the jobs were not enqueued: {error.orig}", remedy="roll the transaction back and try again"
        ) from error
    except (UnicodeEncodeError, OverflowError) as error:
        raise StoreError(f"the jobs were not enqueued: a value cannot be stored: {error}") from error
    found = [each for each in ids if each is not None]
    if len(found) < len(jobs):
        raise StoreError("a job of this batch is in the store already")
    return found
