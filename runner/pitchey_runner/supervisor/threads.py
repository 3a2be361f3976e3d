"""Blocking calls from the event loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(call: Callable[..., T], *args: Any) -> T:
    """Call in a worker thread. Not abandoned on cancellation: a store call that has begun also ends."""
    return await anyio.to_thread.run_sync(partial(call, *args))
