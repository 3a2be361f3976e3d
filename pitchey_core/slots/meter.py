"""What a running process tree uses, sampled from outside of it."""

from __future__ import annotations

import time
from typing import Final

from pitchey_core.pricing import Usage
from pitchey_core.process.cgroups import Cgroup
from pitchey_core.process.tree import TreeMemory, tree

__all__ = ["TreeMeter"]

_INTERVAL: Final = 0.05
_GROWTH: Final = 1.05
_GROWTH_BYTES: Final = 8 * 1024**2


class TreeMeter:
    """Memory and CPU time of all that is below ``pid``, since the meter was made.

    ``pid`` is a warden, which adopts the orphans of its slot: so they count as well.

    Resident sizes are summed at each sample: cheap, but shared pages count twice. Only when that sum has grown, or
    comes near a limit, is the exact (proportional) size asked of the kernel, which costs it a walk of page tables.
    Where the slot has a group of the kernel, that counts its memory: exact, and cheap to ask for.

    A sample takes about a thousandth of a second; the pause adapts so that sampling stays below 2 % of one CPU.

    Attributes:
        interval: Seconds until the next sample is due.
        method: See :class:`~pitchey_core.pricing.Usage`.
        peak_bytes: Highest size seen, in bytes; 0 before the first sample.
    """

    def __init__(self, pid: int, group: Cgroup | None = None) -> None:
        self.pid = pid
        self.method = "sampled-pss" if group is None else "cgroup"
        self._group = group
        self.interval = _INTERVAL
        self.cpu_before_us = _cpu_us(pid)
        self._due = time.monotonic() + _INTERVAL
        self._measured_rss = 0
        self._last_rss = 0
        self.peak_bytes = 0

    def sample(self, now: float) -> bool:
        """Take a sample if one is due."""
        if now < self._due:
            return False
        if self._group is not None:
            self._last_rss = self._group.memory_bytes()
            self.peak_bytes = max(self.peak_bytes, self._last_rss)
        else:
            memory = _memory(self.pid)
            self._last_rss = memory.rss_bytes
            if memory.rss_bytes > max(self._measured_rss * _GROWTH, self._measured_rss + _GROWTH_BYTES):
                self._measured_rss = memory.rss_bytes
                self.peak_bytes = max(self.peak_bytes, memory.pss_bytes())
        took = time.monotonic() - now
        self.interval = max(_INTERVAL, min(1.0, took * 50))
        self._due = now + self.interval
        return True

    def exceeds(self, limit_bytes: int) -> bool:
        """Whether the tree is larger than the limit now, by the exact measure."""
        if self._last_rss <= limit_bytes:
            return False
        return self._group is not None or _memory(self.pid).pss_bytes() > limit_bytes

    def usage(self) -> Usage:
        """CPU so far and the peak so far; wall time is the caller's to know."""
        return Usage(
            cpu_us=max(0, _cpu_us(self.pid) - self.cpu_before_us),
            peak_memory_bytes=self.peak_bytes,
            memory_method=self.method,
        )


def _memory(pid: int) -> TreeMemory:
    members = [entry for entry in tree(pid) if entry.pid != pid]
    return TreeMemory(sum(entry.rss_bytes for entry in members), members)


def _cpu_us(pid: int) -> int:
    """Of those that ``pid`` has waited for, too."""
    return sum(entry.reaped_cpu_us + (entry.cpu_us if entry.pid != pid else 0) for entry in tree(pid))
