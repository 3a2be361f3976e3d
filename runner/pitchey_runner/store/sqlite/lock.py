"""The fair queue in front of SQLite's own lock.

SQLite's busy handler polls: among several saturating writers one can wait for 20 s. The kernel wakes those who wait
for an ``flock`` at once, so every writer takes this one first and SQLite's own is then free. A writer that lets go
and comes back at once would still overtake those who are only just waking (0.7 to 2 s in the worst case, with eight
of them). So there is a turnstile before the lock: whoever is next waits inside it, and nobody passes (0.04 s).
"""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path
from types import TracebackType

from pitchey_runner.store.sqlite.bell import bell_of, ring

__all__ = ["WriterLock"]

_open: weakref.WeakSet[WriterLock] = weakref.WeakSet()


class WriterLock:
    """``<db>.writers`` behind ``<db>.turn``, locked for the length of a ``with`` block. One user at a time.

    Raises:
        OSError: The lock files cannot be created.
    """

    def __init__(self, database: Path) -> None:
        self._bell = bell_of(database)
        self._turn = _open_lock_file(self._bell)
        try:
            self._lock = _open_lock_file(f"{database}.writers")
        except OSError:
            os.close(self._turn)
            raise
        _open.add(self)

    def __enter__(self) -> None:
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def tell(self) -> None:
        """Wake those who wait for a change."""
        ring(self._bell)

    def close(self) -> None:
        """Let go of the files. Safe to call twice."""
        _open.discard(self)
        fds = self._turn, self._lock
        self._turn = self._lock = -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)


def _open_lock_file(name: str) -> int:
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _close_in_child() -> None:
    # A forked child shares the lock: if its parent died in mid-write, the child would hold it for ever.
    for lock in list(_open):
        lock.close()


os.register_at_fork(after_in_child=_close_in_child)
