"""Which driver serves a store URL. A driver is a module with the functions of :class:`Driver`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from pitchey_core.errors import ConfigError
from pitchey_core.pricing import PriceBook
from pitchey_runner.store.interface import JobStore, NewJob

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Driver", "driver_of"]

_DRIVERS = {
    "sqlite": "pitchey_runner.store.sqlite",
    "postgresql": "pitchey_runner.store.postgres",
    "postgres": "pitchey_runner.store.postgres",
}
_SHOWN = "sqlite:///PATH, postgresql://USER@HOST/DATABASE"


class Driver(Protocol):
    """What a driver module offers. All raise ``StoreError`` where the database cannot be used."""

    def open_store(self, url: str, prices: PriceBook) -> JobStore:
        """Open the store, and create it where it does not exist."""

    def enqueue_in(self, url: str, connection: Connection, jobs: Sequence[NewJob]) -> list[str | None]:
        """Insert jobs in the transaction of an SQLAlchemy connection to the same database.

        The answer is that of :meth:`JobStore.enqueue`.
        """

    def upgrade(self, url: str) -> str:
        """See :func:`pitchey_runner.store.migrations.upgrade`."""

    def schema_revision(self, url: str) -> str | None:
        """See :func:`pitchey_runner.store.migrations.schema_revision`."""

    def looking(self, url: str) -> AbstractContextManager[Connection]:
        """A transaction on an existing store that sees one state of it and changes nothing."""

    def changing(self, url: str) -> AbstractContextManager[Connection]:
        """A transaction on an existing store, committed where the block ends well."""


def driver_of(url: str) -> Driver:
    """The driver for a URL's scheme; a bare path is SQLite's.

    Raises:
        ConfigError: No driver of this version knows the scheme.
    """
    scheme, separator, _ = url.partition("://")
    dialect = scheme.partition("+")[0].lower() if separator else "sqlite"
    if dialect not in _DRIVERS:
        raise ConfigError(
            f"store: this version of Pitchey has no driver for {dialect}:// stores",
            remedy=f"use one of: {_SHOWN}",
        )
    return cast("Driver", import_module(_DRIVERS[dialect]))
