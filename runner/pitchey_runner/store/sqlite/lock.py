"""The fair queue in front of SQLite's own lock.

SQLite's busy handler polls: among several saturating writers one can wait for 20 s. The kernel serves those
who wait for an ``flock`` in turn, so every writer takes this one first and SQLite's own is then free.
"""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path
from types import TracebackType

__all__ = ["WriterLock"]

_open: weakref.WeakSet[WriterLock] = weakref.WeakSet()


class WriterLock:
    """``<db>.writers``, locked for the length of a ``with`` block. One user at a time.

    Raises:
        OSError: The lock file cannot be created.
    """

    def __init__(self, database: Path) -> None:
        self._fd = os.open(f"{database}.writers", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        _open.add(self)

    def __enter__(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _close_in_child() -> None:
    # A forked child shares the lock: if its parent died in mid-write, the child would hold it for ever.
    for lock in list(_open):
        lock.close()


os.register_at_fork(after_in_child=_close_in_child)
