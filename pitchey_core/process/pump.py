"""Moves bytes between a program's pipes and their readers, in one thread, so that no pipe stays full."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Sequence

from pitchey_core.process.launch import Launch

__all__ = ["Pump"]

_CHUNK = 64 * 1024
_NO_PIDFD_POLL_SECONDS = 0.02
_DRAIN_SECONDS = 0.5

Sink = Callable[[bytes], None]


class Pump:
    """One program's stdin, stdout, stderr and exit.

    Args:
        launch: The started program.
        stdin: What to write to it, when it has a stdin pipe.
        stdout: Called with each chunk of its stdout.
        stderr: Called with each chunk of its stderr.
    """

    def __init__(self, launch: Launch, stdin: bytes, stdout: Sequence[Sink], stderr: Sequence[Sink]) -> None:
        self._child = launch.child
        self._selector = selectors.DefaultSelector()
        self._input = memoryview(stdin)
        self._sinks: dict[int, Sequence[Sink]] = {}
        for pipe, sinks in ((self._child.stdout, stdout), (self._child.stderr, stderr)):
            if pipe is not None:
                self._sinks[pipe.fileno()] = sinks
                self._selector.register(pipe.fileno(), selectors.EVENT_READ, self._read)
        if self._child.stdin is not None:
            self._selector.register(self._child.stdin.fileno(), selectors.EVENT_WRITE, self._write)
        self._pidfd: int | None = None
        try:
            self._pidfd = os.pidfd_open(self._child.pid)
            self._selector.register(self._pidfd, selectors.EVENT_READ, self._exit)
        except OSError:
            # An old kernel or a strict seccomp filter: ask for the exit status in short intervals instead.
            self._pidfd = None
        self.exited = False

    def wait(self, seconds: float) -> bool:
        """Move bytes for at most ``seconds``; true once the program itself has exited (not yet reaped)."""
        if self._pidfd is None:
            seconds = min(seconds, _NO_PIDFD_POLL_SECONDS)
        for key, _ in self._selector.select(max(0.0, seconds)):
            key.data(key.fd)
        if self._pidfd is None:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            self.exited = os.waitid(os.P_PID, self._child.pid, flags) is not None
        return self.exited

    def drain(self) -> None:
        """Read what is left in the pipes after the tree is dead.

        Ends at end of file or when nothing is left to read, so that a stranger who holds a pipe open cannot
        block it, and after half a second, for one who also writes.
        """
        end = time.monotonic() + _DRAIN_SECONDS
        for fd in list(self._sinks):
            while fd in self._sinks and self._read(fd) and time.monotonic() < end:
                pass

    def close(self) -> None:
        """Close the selector and the handle on the process; the pipes belong to the launch."""
        self._selector.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _read(self, fd: int) -> bool:
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._selector.unregister(fd)
            del self._sinks[fd]
            return False
        for sink in self._sinks[fd]:
            sink(chunk)
        return True

    def _write(self, fd: int) -> bool:
        try:
            self._input = self._input[os.write(fd, self._input[:_CHUNK]) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            # It does not want the rest. Whether that matters, its exit status tells.
            self._input = self._input[:0]
        if not self._input:
            self._selector.unregister(fd)
            assert self._child.stdin is not None
            self._child.stdin.close()
        return True

    def _exit(self, fd: int) -> bool:
        self._selector.unregister(fd)
        self.exited = True
        return True
