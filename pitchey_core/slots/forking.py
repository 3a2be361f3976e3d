"""How a warden makes the process that runs jobs, and what became of it."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import socket
from collections.abc import Callable
from typing import Final, NoReturn

from pitchey_core.slots import worker
from pitchey_core.slots.confinement import Confinement
from pitchey_core.slots.running import Child

__all__ = ["PR_SET_CHILD_SUBREAPER", "describe", "fork_child", "prctl"]

PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_PDEATHSIG: Final = 1


def fork_child(confinement: Confinement, forget: Callable[[], object]) -> Child:
    """Fork the process that runs jobs. With more threads than one, locks could be copied in a locked state.

    Args:
        forget: Closes, in the child, what is its parent's alone.
    """
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
    if threads != 1:
        raise RuntimeError(f"the warden has {threads} threads; it must have one to fork safely")
    channel, far_channel = socket.socketpair()
    log, far_log = os.pipe()
    end_of_log = b"\0" + os.urandom(12).hex().encode() + b"\n"
    pid = os.fork()
    if pid == 0:
        _become_worker(forget, far_channel, far_log, end_of_log)
    # From here, where it is known whether that worked. The child has been told of no job yet.
    confinement.admit(pid)
    far_channel.close()
    os.close(far_log)
    channel.setblocking(False)
    os.set_blocking(log, False)
    return Child(pid, channel, log, end_of_log)


def _become_worker(
    forget: Callable[[], object], channel: socket.socket, log: int, end_of_log: bytes
) -> NoReturn:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    parent = os.getppid()
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    forget()
    null = os.open(os.devnull, os.O_RDWR)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.closerange(3, channel.fileno())
    os.closerange(channel.fileno() + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    worker.serve(channel, end_of_log)


def describe(status: int | None) -> str:
    """How a process ended, by its wait status, in words."""
    if status is None:
        return "closed its channel"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        # Real-time signals have no names.
        return "was killed by " + next((e.name for e in signal.Signals if e == number), f"signal {number}")
    return f"exited with status {os.WEXITSTATUS(status)}"


def prctl(option: int, value: int) -> None:
    """See prctl(2).

    Raises:
        OSError: The kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {errno.errorcode.get(number)}")
