"""What holds the process of a slot: a group of the kernel where one can be made, else its warden alone."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Final

from pitchey_core.errors import LimitExceeded
from pitchey_core.process.cgroup_places import owned_name
from pitchey_core.process.cgroups import Cgroup
from pitchey_core.process.tree import ProcessEntry, tree

__all__ = ["SUPERVISION", "Confinement", "enforcer", "group_name", "memory_exceeded"]

SUPERVISION: Final = "supervision"
_PROCESSES: Final = 4096
"""Far above what a job needs, and far below what takes a host down."""


class Confinement:
    """Made by the warden, which puts its child in.

    Attributes:
        group: ``None`` where no hierarchy is writable, or where settings forbid it.
    """

    def __init__(self, *, use_group: bool) -> None:
        self.group = Cgroup.make(group_name()) if use_group else None
        self.frozen = False
        self._holds = self._limits = True
        self._kills_seen = self._kills()
        self._wanted: tuple[int | None, float] | None = None
        if self.group is not None:
            with contextlib.suppress(OSError):  # The number of processes only: its memory is another matter.
                self.group.limit(processes=_PROCESSES)

    @property
    def enforced_by(self) -> str:
        """What keeps the next job to its memory: ``cgroup-v1``, ``cgroup-v2`` or ``supervision``."""
        return SUPERVISION if self.limiting is None else self.limiting.version

    @property
    def limiting(self) -> Cgroup | None:
        """The group, if the child is in it and it keeps to the limits that were last asked for."""
        return self.group if self._holds and self._limits else None

    def admit(self, pid: int) -> None:
        """Put a new child in. Where that cannot be done, supervision has to do."""
        if self.group is not None:
            try:
                self.group.enter(pid)
            except OSError:
                self._holds = False
            else:
                self._holds = True

    def limit(self, memory_bytes: int | None, vcpus: float) -> None:
        """What the next job may use. What the group cannot be made to keep to, supervision enforces."""
        if self.group is None or self._wanted == (memory_bytes, vcpus):
            return
        try:
            self.group.limit(memory_bytes=memory_bytes, vcpus=vcpus)
        except OSError:
            self._limits, self._wanted = False, None
        else:
            self._limits, self._wanted = True, (memory_bytes, vcpus)

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has killed for want of memory since the last call: in the group, or, without one, any
        process of the host."""
        before, self._kills_seen = self._kills_seen, self._kills()
        return self._kills_seen > before

    def program_killed(self) -> bool:
        """Whether the kernel has killed something in the group for want of memory since the last call; without a group
        that cannot be told from the death of a stranger's program."""
        return self.group is not None and self.ran_out_of_memory()

    def peak_bytes(self) -> int:
        """The most that the group ever had; 0 without one."""
        return 0 if self.group is None else self.group.peak_bytes()

    def _kills(self) -> int:
        if self.group is not None:
            return self.group.oom_kills()
        with contextlib.suppress(OSError), open("/proc/vmstat", encoding="ascii") as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        return 0

    def freeze(self) -> None:
        """Stop all that is below this process."""
        self.frozen = True
        if self.group is None or not self.group.freeze():
            stopped: set[int] = set()
            while fresh := {each.pid for each in _below() if each.pid not in stopped}:
                _signal(fresh, signal.SIGSTOP)
                stopped |= fresh

    def thaw(self) -> None:
        """Let it go on."""
        if self.frozen:
            self.frozen = False
            if self.group is not None:
                self.group.thaw()
            _signal({each.pid for each in _below() if each.state == "T"}, signal.SIGCONT)

    def remove(self) -> None:
        """The end: kill what is left in the group, and remove it."""
        if self.group is not None:
            self.group.kill()
            self.group.remove()


def enforcer() -> str:
    """What would limit the memory of a slot that starts now: ``cgroup-v1``, ``cgroup-v2`` or ``supervision``."""
    group = Cgroup.make(owned_name("probe"))
    if group is None:
        return SUPERVISION
    group.remove()
    return group.version


def group_name(pid: int | None = None, start_ticks: int | None = None) -> str:
    """Name of the group of the warden with that PID; default: this process."""
    return owned_name("slot", pid, start_ticks)


def memory_exceeded(limit: int | None) -> LimitExceeded:
    """The error of a job that took too much memory."""
    most = f"its {limit // 1024**2} MiB of memory" if limit is not None else "the memory that there is"
    return LimitExceeded(
        f"the job used more than {most}", limit="memory", remedy="give it a larger instance type"
    )


def _below() -> list[ProcessEntry]:
    return [entry for entry in tree(os.getpid()) if entry.alive and entry.pid != os.getpid()]


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
