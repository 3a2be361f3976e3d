"""Blocking calls from the event loop, and what its groups of tasks raise."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread

from pitchey_core.errors import OutOfSpace, PitcheyError, StoreError

__all__ = ["first_of_ours", "in_thread", "kept_going", "patiently"]

_log = logging.getLogger(__name__)
_PAUSE_SECONDS: Final = 0.5
T = TypeVar("T")


async def in_thread(call: Callable[..., T], *args: Any) -> T:
    """Call in a worker thread. Not abandoned on cancellation: a store call that has begun also ends."""
    return await anyio.to_thread.run_sync(partial(call, *args))


async def patiently(seconds: float, call: Callable[..., T], *args: Any) -> T:
    """Like :func:`in_thread`, again and again for up to ``seconds`` while the store or its disk gives trouble."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await in_thread(call, *args)
        except (StoreError, OutOfSpace) as error:
            if time.monotonic() + _PAUSE_SECONDS > end:
                raise
            _log.warning("the store gives trouble, trying again: %s", error)
            await anyio.sleep(_PAUSE_SECONDS)


async def kept_going(what: str, work: Callable[[], Awaitable[object]]) -> None:
    """Do what goes on until it is cancelled. A defect in it is logged, and must not end the work of others."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - whatever a defect may raise
            _log.exception("%s failed and begins again", what)
            await anyio.sleep(_PAUSE_SECONDS)
        else:
            return


def first_of_ours(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of ours in a group of groups: one cause, told without the machinery around it."""
    first: BaseException = group.subgroup(PitcheyError) or group
    while isinstance(first, BaseExceptionGroup) and first.subgroup(PitcheyError) is not None:
        first = first.exceptions[0]
    return first
