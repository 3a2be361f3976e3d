"""All attempts, by number."""

from __future__ import annotations

from itertools import chain
from typing import Final

from pitchey_core.isolation.attempts.attempt import Attempt
from pitchey_core.isolation.attempts.programs import (
    files,
    kernel,
    memory,
    network,
    output,
    private,
    processes,
    runtime,
    timing,
)

__all__ = ["ATTEMPTS"]

_THEMES = (processes, memory, timing, output, files, private, network, kernel, runtime)

ATTEMPTS: Final[tuple[Attempt, ...]] = tuple(
    sorted(chain.from_iterable(theme.ATTEMPTS for theme in _THEMES), key=lambda each: each.number)
)
