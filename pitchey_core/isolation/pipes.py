"""Pipes to a program and from it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Self

__all__ = ["Pipes"]


class Pipes:
    """Pipes whose ends are closed once: by hand, or at the end."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(tuple(self._open))

    def make(self) -> tuple[int, int]:
        ends = os.pipe()
        self._open.update(ends)
        return ends

    def hand_over(self, end: int) -> None:
        """Leave it to somebody else to close an end."""
        self._open.discard(end)

    def close(self, ends: Sequence[int]) -> None:
        for each in ends:
            self._open.discard(each)
            os.close(each)
