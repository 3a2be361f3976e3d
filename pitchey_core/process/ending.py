"""How a program's tree is ended and its exit status collected."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from pitchey_core.errors import TransientError
from pitchey_core.process.launch import Launch
from pitchey_core.process.tree import kill_tree, process_start_ticks
from pitchey_core.process.watch import TreeWatch

__all__ = ["Ending"]

_REAP_SECONDS = 1.0


class Ending:
    """Ends one program's tree; each method may be called again.

    Until :meth:`collect`, the program stays at least a zombie, so its PID, session and process group are its
    own.
    """

    def __init__(self, launch: Launch, watch: TreeWatch) -> None:
        self._child = launch.child
        self._tool = launch.tool
        self._tag = launch.tag
        self._start_ticks = process_start_ticks(launch.child.pid)
        self._watch = watch

    def terminate(self) -> None:
        """Ask the process group to end; one that is stopped could not hear it, so wake it too."""
        for number in (signal.SIGTERM, signal.SIGCONT):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)

    def kill(self) -> list[int]:
        """Kill all that is left of the tree; returns the PIDs that could not be killed."""
        return kill_tree(self._child.pid, tag=self._tag, also=self._watch.seen, start_ticks=self._start_ticks)

    def collect(self) -> tuple[int, float]:
        """Take the exit status of a dead program.

        Returns:
            The status, negative for a signal, and the CPU seconds of the tree.

        Raises:
            TransientError: It cannot be killed (it hangs in the kernel), or somebody else took its status.
        """
        end = time.monotonic() + _REAP_SECONDS
        while True:
            try:
                pid, status, usage = os.wait4(self._child.pid, os.WNOHANG)
            except ChildProcessError:
                self._child.returncode = 0
                raise TransientError(
                    f"{self._tool}: its exit status was taken by another part of this process",
                    remedy="do not ignore SIGCHLD, nor wait for all children, in a process that runs tools",
                ) from None
            if pid:
                break
            if time.monotonic() > end:
                self._child.returncode = -signal.SIGKILL
                raise TransientError(
                    f"{self._tool} hangs in the kernel and cannot be killed (PID {self._child.pid})"
                )
            time.sleep(0.002)
        # Tells Popen, which would otherwise wait for it again.
        self._child.returncode = os.waitstatus_to_exitcode(status)
        # What was killed rather than waited for is in the samples only.
        seconds = max(usage.ru_utime + usage.ru_stime, self._watch.cpu_us / 1_000_000)
        return self._child.returncode, seconds

    def abandon(self) -> None:
        """For the way out after any error: leave nothing behind, and raise nothing more."""
        if self._child.returncode is None:
            self.kill()
            with contextlib.suppress(TransientError):
                self.collect()
