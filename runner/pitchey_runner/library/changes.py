"""Waiting for something in a store to become true, woken by its changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from pitchey_core.errors import StoreError
from pitchey_runner.store.interface import JobStore

__all__ = ["until", "until_async"]

T = TypeVar("T")

_FIRST_PAUSE_SECONDS: Final = 0.002
_LONGEST_PAUSE_SECONDS: Final = 0.05
_LOOK_SECONDS: Final = 0.5
"""A look without a change: a delay may have passed, or the change was missed with a lost connection."""


def until(
    store: JobStore, look: Callable[[], T | None], timeout: float | None, otherwise: str = "nothing happened"
) -> T:
    """Call ``look`` at each change of the store until it returns something.

    Args:
        timeout: Seconds to wait at most; ``None``: for ever.
        otherwise: What to say when they are over.

    Raises:
        TimeoutError: The time is over.
    """
    pauses = _Pauses(store, timeout, otherwise)
    while True:
        with pauses.looking():
            if (found := look()) is not None:
                return found
        for pause in pauses:
            time.sleep(pause)


async def until_async(
    store: JobStore,
    look: Callable[[], T | None],
    timeout: float | None,  # noqa: ASYNC109 - the same as of its twin
    otherwise: str = "nothing happened",
) -> T:
    """The same, awaited; ``look`` is called in a worker thread."""
    pauses = _Pauses(store, timeout, otherwise)
    while True:
        with pauses.looking():
            if (found := await anyio.to_thread.run_sync(look)) is not None:
                return found
        for pause in pauses:
            await anyio.sleep(pause)


class _Pauses:
    """The pauses before the next look: short at first, longer while nothing changes."""

    def __init__(self, store: JobStore, timeout: float | None, otherwise: str) -> None:
        self._store = store
        self._otherwise = otherwise
        self._timeout = timeout
        self._end = None if timeout is None else time.monotonic() + timeout
        self._began = self._looked = 0.0
        self._seen: int | None = None

    def looking(self) -> _Pauses:
        return self

    def __enter__(self) -> None:
        self._began = time.monotonic()
        # Before the look: what changes while it lasts asks for another.
        self._seen = self._counter()

    def __exit__(self, *_: object) -> None:
        self._looked = time.monotonic()

    def __iter__(self) -> Iterator[float]:
        # Where looking is dear, as among thousands of jobs on a busy store, it takes a third of the time at most.
        pause = max(_FIRST_PAUSE_SECONDS, 2 * (self._looked - self._began))
        while True:
            now = time.monotonic()
            if self._end is not None and now >= self._end:
                raise TimeoutError(f"{self._otherwise} within {self._timeout:g} s")
            yield pause if self._end is None else min(pause, self._end - now)
            if time.monotonic() - self._looked >= _LOOK_SECONDS or self._counter() != self._seen:
                return
            pause = min(2 * pause, max(pause, _LONGEST_PAUSE_SECONDS))

    def _counter(self) -> int | None:
        # Where it cannot be read, the look that comes each half second will tell.
        with suppress(StoreError):
            return self._store.change_counter()
        return None
