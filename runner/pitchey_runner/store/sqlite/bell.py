"""Word of commits, from whoever makes them to all who wait for one, in any process of this host.

Who has committed what others may wait for opens and closes the file ``<db>.turn``, which costs microseconds, and the
kernel tells those who watch it (inotify). Programs that write without this store ring no bell, nor does who claims or
beats, so nobody relies on one: it ends a wait early.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
from pathlib import Path
from threading import Lock
from typing import Final

__all__ = ["Bell", "bell_of", "ring"]

_IN_CLOSE_NOWRITE: Final = 0x10
_EVENTS_BYTES: Final = 4096


def bell_of(database: Path) -> str:
    """The file that is the bell of a store."""
    return f"{database}.turn"


def ring(file: str) -> None:
    """Wake those who wait at a :class:`Bell` for this file."""
    with contextlib.suppress(OSError):  # They look by themselves soon.
        os.close(os.open(file, os.O_RDONLY | os.O_CLOEXEC))


class Bell:
    """Waits for :func:`ring`. Thread-safe.

    Raises:
        OSError: The kernel cannot watch files, or not so many of them.
    """

    def __init__(self, file: str) -> None:
        self._guard = Lock()
        os.close(os.open(file, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
        self._fd = _watch(file)

    def wait(self, seconds: float) -> None:
        """Until somebody has rung since the last wait, or for that long."""
        with self._guard:
            if self._fd < 0:
                return
            # Its own, so that closing the bell takes it from nobody who waits.
            fd = os.dup(self._fd)
        try:
            waiting = select.poll()
            waiting.register(fd, select.POLLIN)
            if waiting.poll(seconds * 1000):
                with contextlib.suppress(BlockingIOError):  # Another one who waits has read it.
                    os.read(fd, _EVENTS_BYTES)
        finally:
            os.close(fd)

    def close(self) -> None:
        """End it, and soon the waits. Safe to call twice."""
        with self._guard:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _watch(file: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        fd: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    except AttributeError:
        raise OSError(errno.ENOSYS, "no inotify on this system") from None
    if fd < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    if libc.inotify_add_watch(fd, os.fsencode(file), _IN_CLOSE_NOWRITE) < 0:
        number = ctypes.get_errno()
        os.close(fd)
        raise OSError(number, "inotify_add_watch", file)
    return fd
