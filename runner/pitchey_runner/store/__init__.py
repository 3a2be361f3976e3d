"""The durable job store. :func:`open_store` is the way in; :mod:`.interface` says what a store does."""

from __future__ import annotations

import logging
import time
from typing import Final

from pitchey_core.errors import StoreAway
from pitchey_core.pricing import PriceBook
from pitchey_runner.store.drivers import driver_of
from pitchey_runner.store.interface import JobStore

__all__ = ["open_store"]

_log = logging.getLogger(__name__)
_LIST_PRICES: Final = PriceBook()
_RETRY_SECONDS: Final = 0.5


def open_store(url: str, prices: PriceBook = _LIST_PRICES, *, patience: float = 0.0) -> JobStore:
    """Open a job store, and create it where it does not exist.

    Args:
        url: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, a bare path, or ``postgresql://user@host/database``.
        prices: What attempts cost whose worker died before it could say.
        patience: Seconds to wait for a server that is away.

    Raises:
        ConfigError: The URL names no driver of this version.
        ExtraMissing: The driver needs packages that are not installed.
        StoreAway: Its server cannot be reached.
        StoreError: The database cannot be used, or its schema is older or newer than this code.
    """
    driver = driver_of(url)
    end = time.monotonic() + patience
    told = False
    while True:
        try:
            return driver.open_store(url, prices)
        except StoreAway as error:
            if not patience:
                raise
            if time.monotonic() > end:
                waited = f"{error.message} (waited {patience:g} s for it)"
                raise StoreAway(waited, remedy=error.remedy) from error
            if not told:
                _log.warning("waiting up to %g s for the store: %s", patience, error.message)
                told = True
            time.sleep(_RETRY_SECONDS)
