"""An end to waiting for a server that no longer answers.

The kernel notices a peer that acknowledges nothing. A server that is stopped, or a proxy that still takes what it is
sent, acknowledges and says nothing for ever; libpq has no limit for that.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

__all__ = ["ANSWER_SECONDS", "answering", "still_answering"]

ANSWER_SECONDS = 75.0
"""How long a server may be silent: longer than any statement may take, see :mod:`.location`."""

_guard = threading.Lock()
_waiting: dict[int, tuple[float, int]] = {}
_thread: threading.Thread | None = None


@contextmanager
def answering(raw: psycopg.Connection[Any]) -> Iterator[None]:
    """Break the connection where the block takes longer than :data:`ANSWER_SECONDS`, counted from the last call of
    :func:`still_answering` in it. Within it another connection may be asked, under its own watch."""
    global _thread
    token = threading.get_ident()
    with _guard:
        outer = _waiting.get(token)
        _waiting[token] = (time.monotonic() + ANSWER_SECONDS, raw.fileno())
        if _thread is None:
            _thread = threading.Thread(target=_watch, name="pitchey-store-watchdog", daemon=True)
            _thread.start()
    try:
        yield
    finally:
        with _guard:
            _waiting.pop(token, None)
            if outer is not None:
                _waiting[token] = (time.monotonic() + ANSWER_SECONDS, outer[1])


def still_answering() -> None:
    """The server has just answered, and something more will be asked."""
    token = threading.get_ident()
    with _guard:
        if token in _waiting:
            _waiting[token] = (time.monotonic() + ANSWER_SECONDS, _waiting[token][1])


def _watch() -> None:
    while True:
        time.sleep(min(1.0, ANSWER_SECONDS / 4))
        now = time.monotonic()
        with _guard:
            # Under the guard the descriptor is still the one that was watched.
            for token, (end, descriptor) in list(_waiting.items()):
                if now > end:
                    del _waiting[token]
                    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
                        connection.shutdown(socket.SHUT_RDWR)


def _forget() -> None:
    global _thread, _guard
    _guard = threading.Lock()
    _waiting.clear()
    _thread = None


# A forked child has neither the thread nor any use for its parent's connections.
os.register_at_fork(after_in_child=_forget)
