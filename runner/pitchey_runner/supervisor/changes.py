"""Word of the store's changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import anyio
import anyio.to_thread

from pitchey_core.errors import StoreError
from pitchey_runner.store.interface import JobStore

__all__ = ["heed_changes"]

_WAIT_SECONDS: Final = 0.1
_PAUSE_SECONDS: Final = 0.005


async def heed_changes(store: JobStore, wake: Callable[[], None]) -> None:
    """Call ``wake`` as soon as the store has changed, yet at most 200 times a second; until cancelled."""
    seen = -1
    while True:
        try:
            # Abandoned when cancelled: it changes nothing, and soon ends by itself.
            counter = await anyio.to_thread.run_sync(
                store.wait_for_change, seen, _WAIT_SECONDS, abandon_on_cancel=True
            )
        except StoreError:
            # Who needs the store will tell; the looks that need no word go on.
            await anyio.sleep(_WAIT_SECONDS)
            continue
        if counter != seen:
            seen = counter
            wake()
            await anyio.sleep(_PAUSE_SECONDS)
