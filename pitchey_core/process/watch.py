"""Samples a running program's tree: its peak, the limits that no kernel enforces, and who belongs to it."""

from __future__ import annotations

import time

from pitchey_core.process.limits import ProcessLimits
from pitchey_core.process.tree import tree_memory

__all__ = ["TreeWatch"]

_FIRST_SECONDS = 0.005
_LIMITED_SECONDS = 0.05
_UNLIMITED_SECONDS = 0.25
# What a growing program may gain before its exact size is asked for again, which stops its page faults meanwhile.
_GROWTH_BYTES = 8 * 1024**2
_GROWTH_SHARE = 1 / 16


class TreeWatch:
    """Samples soon after the start, then at growing intervals up to 50 ms (250 ms with nothing to enforce).

    Attributes:
        next_at: ``time.monotonic()`` of the next sample.
        peak_bytes: Highest proportional set size seen.
        cpu_us: Highest CPU time of the whole tree seen.
        seen: Every process that was seen in the tree, by PID with its start ticks: an orphan is recognised by
            it.
    """

    def __init__(self, pid: int, limits: ProcessLimits) -> None:
        self._pid = pid
        self._limits = limits
        enforced = (limits.memory_bytes, limits.cpu_seconds, limits.processes)
        self._longest = _UNLIMITED_SECONDS if all(each is None for each in enforced) else _LIMITED_SECONDS
        self._interval = _FIRST_SECONDS
        self._rss_at_peak = 0
        self.next_at = time.monotonic() + self._interval
        self.peak_bytes = 0
        self.cpu_us = 0
        self.seen: dict[int, int] = {}

    def sample(self) -> str | None:
        """Look once.

        Returns:
            The limit that the tree exceeds: ``memory``, ``cpu`` or ``processes``; or ``None``.
        """
        memory = tree_memory(self._pid)
        self.seen.update((entry.pid, entry.start_ticks) for entry in memory.members)
        self.cpu_us = max(self.cpu_us, sum(entry.cpu_us + entry.reaped_cpu_us for entry in memory.members))
        limits = self._limits
        most = limits.memory_bytes
        over = most is not None and memory.rss_bytes > most
        # The resident sum bounds the proportional one, which is far dearer to ask for.
        measured = max(self.peak_bytes, self._rss_at_peak)
        if over or memory.rss_bytes > measured + max(_GROWTH_BYTES, measured * _GROWTH_SHARE):
            pss = memory.pss_bytes()
            self._rss_at_peak = max(self._rss_at_peak, memory.rss_bytes)
            self.peak_bytes = max(self.peak_bytes, pss)
            over = most is not None and pss > most
        self._interval = min(self._interval * 2, self._longest)
        self.next_at = time.monotonic() + self._interval
        if over:
            return "memory"
        if limits.cpu_seconds is not None and self.cpu_us > limits.cpu_seconds * 1_000_000:
            return "cpu"
        if limits.processes is not None and sum(entry.alive for entry in memory.members) > limits.processes:
            return "processes"
        return None
