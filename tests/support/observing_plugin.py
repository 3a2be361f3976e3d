"""A plugin with observers: one that remembers, one that fails, and one that is slow. Registered by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pitchey_core.hooks import ObserverSpec, hookimpl

SEEN: list[dict[str, Any]] = []
DAWDLED: list[dict[str, Any]] = []


@hookimpl
def pitchey_observers() -> Sequence[ObserverSpec]:
    return [ObserverSpec(name, f"observing_plugin:{name}") for name in ("remember", "fail", "dawdle")]


def remember(event: dict[str, Any]) -> None:
    SEEN.append(event)


def fail(event: dict[str, Any]) -> None:
    event.clear()
    raise ZeroDivisionError("a defect")


def dawdle(event: dict[str, Any]) -> None:
    DAWDLED.append(event)
    time.sleep(0.5)
