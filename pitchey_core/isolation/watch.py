"""Whether a sandbox is within its memory and CPU time: counted by a cgroup, or summed over its tree."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from pitchey_core.isolation.cgroups import Group, while_it_is_there
from pitchey_core.isolation.policy import SandboxPolicy
from pitchey_core.isolation.report import Verdict
from pitchey_core.process import ProcessEntry, tree_memory

__all__ = ["GroupWatch", "NoWatch", "TreeWatch", "Watch", "pid_of"]

_FEW: Final = 8
_SOCKET_BYTES: Final = 208 * 1024
"""``net.core.wmem_default``; the filter of system calls keeps programs from asking for more."""


class Watch(Protocol):
    """Looks at a running sandbox; :attr:`method` is that of :class:`pitchey_core.pricing.Usage`."""

    method: str

    def sample(self) -> Verdict | None:
        """The limit that it has exceeded, if one."""

    def cpu_us(self) -> int: ...

    def peak_bytes(self) -> int: ...


class NoWatch:
    """Where nobody asked for it."""

    method = "self"

    def sample(self) -> Verdict | None:
        return None

    def cpu_us(self) -> int:
        return 0

    def peak_bytes(self) -> int:
        return 0


class GroupWatch:
    """The kernel counts, and ends what takes too much memory; CPU time is read.

    A group that is gone, because the launcher was killed and all below died with it, leaves what was last read of it.
    """

    method = "cgroup"

    def __init__(self, group: Group, policy: SandboxPolicy) -> None:
        self._group = group
        self._most_us = None if policy.cpu_seconds is None else int(policy.cpu_seconds * 1_000_000)
        self._cpu_us = self._peak = 0

    def sample(self) -> Verdict | None:
        with while_it_is_there():
            if self._group.oom_kills() > 0:
                return Verdict.MEMORY
        if self._most_us is not None and self.cpu_us() >= self._most_us:
            return Verdict.TIMEOUT_CPU
        return None

    def cpu_us(self) -> int:
        with while_it_is_there():
            self._cpu_us = self._group.cpu_us() or 0
        return self._cpu_us

    def peak_bytes(self) -> int:
        with while_it_is_there():
            self._peak = self._group.peak_bytes()
        return self._peak


class TreeWatch:
    """Sums proportional sizes, files, sockets and CPU time of all processes, each time it is asked.

    Args:
        init: The first process of the sandbox, as seen from here.
        work: Descriptor of a folder in its own file system; ``None`` where it has none.
    """

    method = "sampled-pss"

    def __init__(self, init: int, work: int | None, policy: SandboxPolicy) -> None:
        self._init = init
        self._work = work
        self._policy = policy
        self._cpu_us = 0
        self._peak = 0

    def sample(self) -> Verdict | None:
        memory = tree_memory(self._init)
        self._cpu_us = max(self._cpu_us, sum(each.cpu_us + each.reaped_cpu_us for each in memory.members))
        files = self._file_bytes() + _socket_bytes(memory.members)
        used = memory.rss_bytes + files
        if used > max(self._peak, self._policy.memory_bytes // 2):
            # The resident sum bounds the proportional one, which is far dearer to ask for.
            used = memory.pss_bytes() + files
        self._peak = max(self._peak, used)
        if used > self._policy.memory_bytes:
            return Verdict.MEMORY
        seconds = self._policy.cpu_seconds
        if seconds is not None and self._cpu_us >= seconds * 1_000_000:
            return Verdict.TIMEOUT_CPU
        return None

    def cpu_us(self) -> int:
        return self._cpu_us

    def peak_bytes(self) -> int:
        return self._peak

    def _file_bytes(self) -> int:
        if self._work is None:
            return 0
        info = os.fstatvfs(self._work)
        return (info.f_blocks - info.f_bfree) * info.f_frsize


def _socket_bytes(members: Iterable[ProcessEntry]) -> int:
    """Most memory that the sockets of some processes hold for what was sent and not yet received."""
    found: set[str] = set()
    for each in members:
        # What may not be read is of another user, or gone.
        with contextlib.suppress(OSError):
            folder = f"/proc/{each.pid}/fd"
            names = os.listdir(folder)  # noqa: PTH208 - asked fifty times a second
            if len(names) > _FEW:
                links = (os.readlink(f"{folder}/{name}") for name in names)  # noqa: PTH115 - the same
                found.update(link for link in links if link.startswith("socket:"))
    return len(found) * _SOCKET_BYTES


def pid_of(handle: int) -> int:
    """The process behind a pidfd, as seen from here; -1 when it is gone."""
    match = re.search(rb"^Pid:\s*(-?\d+)", Path(f"/proc/self/fdinfo/{handle}").read_bytes(), re.MULTILINE)
    return int(match[1]) if match else -1
