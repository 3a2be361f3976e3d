"""Keys as they are pressed, from a terminal that does not wait for whole lines."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["Keyboard", "keyboard"]

_NAMES: Final = {
    "\x1b[A": "up", "\x1bOA": "up", "k": "up",
    "\x1b[B": "down", "\x1bOB": "down", "j": "down",
    "\t": "tab", "\x1b[Z": "tab", "\x1b[C": "tab", "\x1b[D": "tab",
    "\r": "enter", "\n": "enter",
    "\x1b": "escape",
}  # fmt: skip
_MOST_BYTES: Final = 64


class Keyboard:
    """Reads keys from a file descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting = ""
        self._ended = False

    def pressed(self, seconds: float) -> str | None:
        """The next key, by name (``up``, ``down``, ``tab``, ``enter``, ``escape``) or as it is; ``None``: none came.

        At the end of the input it is ``q``.
        """
        end = time.monotonic() + seconds
        while not self._waiting:
            if self._ended:
                return "q"
            ready, _, _ = select.select([self._fd], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return None
            data = os.read(self._fd, _MOST_BYTES)
            self._ended = not data
            self._waiting = data.decode(errors="ignore")
        # The bytes of an arrow key come together; what only begins like one is Escape.
        for length in (3, 1):
            piece = self._waiting[:length]
            if piece in _NAMES:
                self._waiting = self._waiting[len(piece) :]
                return _NAMES[piece]
        key, self._waiting = self._waiting[0], self._waiting[1:]
        return key


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """The terminal's keyboard, unechoed, while the block runs; Ctrl-C still interrupts."""
    fd = sys.stdin.fileno()
    before: list[Any] = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield Keyboard(fd)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
