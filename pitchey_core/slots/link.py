"""A warden's end of the channel to its host. It never blocks: a stopped host must not keep a warden from its duty."""

from __future__ import annotations

import math
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn

from pitchey_core.slots.protocol import FrameReader, encode

__all__ = ["HostLink"]

_MAX_BACKLOG: Final = 4 * 1024**2
"""Bytes for a host that does not read; past that, progress is dropped and results wait."""
_FLUSH_BYTES: Final = 32 * 1024
_FLUSH_SECONDS: Final = 0.005


class HostLink:
    """Frames to and from the host.

    Args:
        readable: Called by the selector's owner when there is something to read.
        lost: The host has closed its end, or is gone.

    Attributes:
        flush_at: When :meth:`flush` is due, by the monotonic clock.
    """

    def __init__(
        self,
        channel: socket.socket,
        selector: selectors.BaseSelector,
        readable: Callable[[], None],
        lost: Callable[[], NoReturn],
    ) -> None:
        self.channel = channel
        self._selector = selector
        self._readable = readable
        self._lost = lost
        self._frames = FrameReader()
        self._outbox = bytearray()
        self.flush_at = math.inf
        channel.setblocking(False)
        selector.register(channel, selectors.EVENT_READ, readable)

    def send(self, frame: dict[str, Any], *, droppable: bool = False) -> None:
        """Send at once, as far as the host reads."""
        self.put(frame, droppable=droppable)
        self.flush()

    def put(self, frame: dict[str, Any], *, droppable: bool = False) -> None:
        """Send with the next :meth:`flush`."""
        if not droppable or len(self._outbox) <= _MAX_BACKLOG:
            self._outbox += encode(frame)

    def pass_on(self, data: bytes, frame: dict[str, Any], *, changed: bool) -> None:
        """Send with the next :meth:`flush` a frame that has arrived as ``data``."""
        self._outbox += encode(frame) if changed else data

    def flush_soon(self, *, more: bool) -> None:
        """Tell the host; while there is more to come, not of each short job by itself: it would wake up for each."""
        if not more or len(self._outbox) > _FLUSH_BYTES:
            self.flush()
        elif self._outbox and self.flush_at == math.inf:
            self.flush_at = time.monotonic() + _FLUSH_SECONDS

    def flush(self) -> None:
        """Send what is waiting."""
        self.flush_at = math.inf
        while self._outbox:
            try:
                sent = self.channel.send(self._outbox)
            except BlockingIOError:
                break
            except OSError:
                self._lost()
            del self._outbox[:sent]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outbox else 0)
        if self._selector.get_key(self.channel).events != wanted:
            self._selector.modify(self.channel, wanted, self._readable)

    def read(self) -> list[bytes]:
        """Frames that have arrived, as they are."""
        try:
            data = self.channel.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self._lost()
        return self._frames.cut(data)
