"""How many jobs one claim should take."""

from __future__ import annotations

import math
from typing import Final

from pitchey_core.errors import PitcheyError
from pitchey_core.host import Host
from pitchey_core.processor import BatchProcessor
from pitchey_runner.supervisor.pool import Pool

__all__ = ["Pace"]

_AHEAD_SECONDS: Final = 1.0
_SHORT_SECONDS: Final = 0.1
"""Below it, going to the slot and back for each job would be a good part of the work."""
_MOST_AHEAD: Final = 500
_OLD_WEIGHT: Final = 0.7
_LEAST_SECONDS: Final = 1e-5


class Pace:
    """Learns how long the jobs of each type take."""

    def __init__(self, host: Host, pool: Pool) -> None:
        self._host = host
        self._pool = pool
        self._seconds: dict[str, float] = {}

    def claim_size(self, job_type: str, waiting: int) -> int:
        """A fair share of the line for each slot, at most a batch.

        Jobs that run one after another are not claimed for longer ahead than a second's work: what a worker holds
        and has not begun would be lost with it.
        """
        share = min(self._most(job_type), math.ceil(waiting / self._pool.obtainable(job_type)))
        if self.takes_batches(job_type):
            return share
        seconds = self._seconds.get(job_type, math.inf)
        return max(1, min(share, int(_AHEAD_SECONDS / max(seconds, 1e-4))))

    def most_at_once(self, job_type: str) -> int:
        """How many waiting jobs keep every slot busy with the largest claim; more need not be counted."""
        return self._most(job_type) * self._pool.obtainable(job_type)

    def _most(self, job_type: str) -> int:
        return _MOST_AHEAD if self.short(job_type) else self._host.queue(job_type).batch_size

    def short(self, job_type: str) -> bool:
        """Whether a slot is better given many of these jobs at once, to run one after another."""
        return not self.takes_batches(job_type) and self._seconds.get(job_type, math.inf) < _SHORT_SECONDS

    def linger(self, job_type: str, waiting: int) -> float:
        """Seconds that an idle slot waits for a fuller batch; never longer than the queue's ``batch_wait``."""
        queue = self._host.queue(job_type)
        if waiting >= queue.batch_size or not self.takes_batches(job_type):
            return 0.0
        return min(queue.linger, queue.batch_wait)

    def takes_batches(self, job_type: str) -> bool:
        """Whether the jobs of one claim go to the processor in one call."""
        try:
            return isinstance(self._host.registry.processor(job_type), BatchProcessor)
        except PitcheyError:
            return False

    def note(self, job_type: str, seconds: float) -> None:
        """Take in how long a job has just taken.

        The mean is geometric: one that a busy host has held up says little about the next thousand.
        """
        seconds = max(seconds, _LEAST_SECONDS)
        before = self._seconds.get(job_type, seconds)
        self._seconds[job_type] = before * (seconds / before) ** (1 - _OLD_WEIGHT)
