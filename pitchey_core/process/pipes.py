"""Reading a program's pipes: bounded memory, complete lines."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Kept", "Lines"]

_LONGEST_LINE = 64 * 1024


class Kept:
    """The end, or with ``head`` the beginning, of a stream; never more than ``limit`` bytes in the end."""

    def __init__(self, limit: int, *, head: bool = False) -> None:
        self._limit = limit
        self._head = head
        self._data = bytearray()
        self.total = 0

    def feed(self, chunk: bytes) -> None:
        self.total += len(chunk)
        if self._head:
            self._data += chunk[: self._limit - len(self._data)]
            return
        self._data += chunk
        if len(self._data) > 2 * self._limit:
            # At twice the limit, so that the copying is amortised.
            del self._data[: len(self._data) - self._limit]

    def value(self) -> bytes:
        return bytes(self._data if self._head or not self._limit else self._data[-self._limit :])

    @property
    def truncated(self) -> bool:
        return self.total > self._limit


class Lines:
    r"""Cuts a stream into lines at ``\n``, ``\r`` (progress displays) or both; empty lines are left out."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        *complete, self._rest = (self._rest + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in complete:
            self._emit(line)
        if len(self._rest) > _LONGEST_LINE:
            self.close()

    def close(self) -> None:
        """Deliver what came after the last line end."""
        rest, self._rest = self._rest, b""
        self._emit(rest)

    def _emit(self, line: bytes) -> None:
        if line:
            self._on_line(line.decode("utf-8", "replace"))
