"""The durable job store. :func:`open_store` is the way in; :mod:`.interface` says what a store does."""

from __future__ import annotations

from pitchey_core.pricing import PriceBook
from pitchey_runner.store.drivers import driver_of
from pitchey_runner.store.interface import JobStore

__all__ = ["open_store"]

_LIST_PRICES = PriceBook()


def open_store(url: str, prices: PriceBook = _LIST_PRICES) -> JobStore:
    """Open a job store, and create it where it does not exist.

    Args:
        url: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, a bare path, or ``postgresql://user@host/database``.
        prices: What attempts cost whose worker died before it could say.

    Raises:
        ConfigError: The URL names no driver of this version.
        ExtraMissing: The driver needs packages that are not installed.
        StoreError: The database cannot be used, or its schema is older or newer than this code.
    """
    return driver_of(url).open_store(url, prices)
