"""The Postgres driver: many supervisors on many hosts, on psycopg 3 (the extra ``postgres``)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from pitchey_core.errors import ExtraMissing
from pitchey_core.pricing import PriceBook
from pitchey_runner.store.interface import JobStore, NewJob

try:
    import psycopg as _  # noqa: F401 - is it there?
except ImportError as error:
    raise ExtraMissing(
        f"a Postgres store needs psycopg, which cannot be imported: {error}",
        remedy="pip install 'pitchey[postgres]'",
    ) from error

from pitchey_runner.store.postgres.location import locate
from pitchey_runner.store.postgres.schema import ensure_current, revision_of, upgrade_database
from pitchey_runner.store.postgres.store import PostgresStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["changing", "enqueue_in", "looking", "open_store", "schema_revision", "upgrade"]


def open_store(url: str, prices: PriceBook) -> JobStore:
    """See :func:`pitchey_runner.store.open_store`."""
    location = locate(url)
    ensure_current(location)
    return PostgresStore(url, location, prices=prices)


def upgrade(url: str) -> str:
    """See :func:`pitchey_runner.store.migrations.upgrade`."""
    return upgrade_database(locate(url))


def schema_revision(url: str) -> str | None:
    """See :func:`pitchey_runner.store.migrations.schema_revision`."""
    return revision_of(locate(url))


def looking(url: str) -> AbstractContextManager[Connection]:
    """See :class:`pitchey_runner.store.drivers.Driver`."""
    from pitchey_runner.store.postgres import transactions

    return transactions.looking(locate(url))


def changing(url: str) -> AbstractContextManager[Connection]:
    """See :class:`pitchey_runner.store.drivers.Driver`."""
    from pitchey_runner.store.postgres import transactions

    return transactions.changing(locate(url))


def enqueue_in(url: str, connection: Connection, jobs: Sequence[NewJob]) -> list[str | None]:
    """See :class:`pitchey_runner.store.drivers.Driver`."""
    from pitchey_runner.store.postgres import joining

    return joining.enqueue_in(url, connection, jobs)
