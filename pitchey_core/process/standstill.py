"""Notices that this process was stopped for a while, as that of a paused job is."""

from __future__ import annotations

import time
from typing import Final

__all__ = ["Standstill"]

_NOTICED: Final = 0.5
"""Seconds; what a busy host makes one wait is usually less, and more is no harm: it is given back."""


class Standstill:
    """Tells whoever watches a clock for how long nobody could do anything."""

    def __init__(self) -> None:
        self._seen = time.monotonic()

    def lasted(self, meant: float) -> float:
        """Seconds of standstill since this was asked last; 0 where there was none.

        Args:
            meant: Seconds that one had something to wait for.
        """
        now = time.monotonic()
        lost, self._seen = now - self._seen - max(0.0, meant), now
        return lost if lost > _NOTICED else 0.0
