"""The SQLite driver: one file, no server, no job lost."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from pitchey_core.pricing import PriceBook
from pitchey_runner.store.interface import JobStore, NewJob
from pitchey_runner.store.sqlite.location import locate
from pitchey_runner.store.sqlite.schema import ensure_current, revision_of, upgrade_file
from pitchey_runner.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["changing", "enqueue_in", "looking", "open_store", "schema_revision", "upgrade"]


def open_store(url: str, prices: PriceBook) -> JobStore:
    """See :func:`pitchey_runner.store.open_store`."""
    path = locate(url)
    ensure_current(path)
    return SqliteStore(path, prices=prices)


def upgrade(url: str) -> str:
    """See :func:`pitchey_runner.store.migrations.upgrade`."""
    return upgrade_file(locate(url))


def schema_revision(url: str) -> str | None:
    """See :func:`pitchey_runner.store.migrations.schema_revision`."""
    return revision_of(locate(url))


def looking(url: str) -> AbstractContextManager[Connection]:
    """See :class:`pitchey_runner.store.drivers.Driver`."""
    from pitchey_runner.store.sqlite import transactions

    return transactions.looking(locate(url))


def changing(url: str) -> AbstractContextManager[Connection]:
    """See :class:`pitchey_runner.store.drivers.Driver`."""
    from pitchey_runner.store.sqlite import transactions

    return transactions.changing(locate(url))


def enqueue_in(url: str, connection: Connection, jobs: Sequence[NewJob]) -> list[str | None]:
    """See :class:`pitchey_runner.store.drivers.Driver`."""
    from pitchey_runner.store.sqlite import joining

    return joining.enqueue_in(url, connection, jobs)
