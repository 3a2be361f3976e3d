"""Whether the store's clock may be believed, and who is silent whatever it says.

Leases end by the store's clock. Where that is set forward, those of all live workers seem to have run out until they
beat again; where it is set back, those of the dead last longer. This process's own clock, which nobody sets, tells.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from pitchey_runner.store.interface import WorkerRecord

__all__ = ["Lookout"]

_log = logging.getLogger(__name__)
_STEP_SECONDS: Final = 1.0
"""Far less than a lease, and far more than a clock that is slewed can gain between two looks."""
_GAP_SECONDS: Final = 3.0
"""What was not looked at for longer has not been seen to be silent: this process, or the store, was away."""
_BEATS_PER_LEASE: Final = 3


def _own_clock() -> float:
    # It runs on while the host sleeps, as the clocks of others do.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lookout:
    """What one worker knows of the others, from one look to the next."""

    def __init__(self, own_clock: Callable[[], float] = _own_clock) -> None:
        self._own_clock = own_clock
        self._last: tuple[float, datetime] | None = None
        self._wary_until = -math.inf
        self._silences: dict[str, tuple[datetime, float]] = {}

    def look(self, clock: Callable[[], datetime], workers: Iterable[WorkerRecord]) -> datetime:
        """Look once; returns what the store's clock said.

        Args:
            clock: Asks the store for its time.
            workers: All of them, as they were after that, or before.
        """
        known = list(workers)
        asked = self._own_clock()
        now = clock()
        answered = self._own_clock()
        passed = math.inf if self._last is None else answered - self._last[0]
        if self._last is not None and (now - self._last[1]).total_seconds() > passed + _STEP_SECONDS:
            # Live workers beat at least three times a lease, and so prove themselves by the new time.
            longest = max((each.info.lease_seconds for each in known), default=0.0)
            self._wary_until = answered + longest / _BEATS_PER_LEASE + _STEP_SECONDS
            _log.warning(
                "the store's clock was set forward: leases do not count until all had time for a beat"
            )
        # From before the question: what seems to have passed is never less than it was.
        self._last = asked, now
        self._silences = {each.info.id: (each.seen_at, self._silence(each, passed)) for each in known}
        return now

    @property
    def trusts_leases(self) -> bool:
        """Whether a lease that has run out by the store's clock says anything about its worker."""
        return self._own_clock() >= self._wary_until

    def silent(self, workers: Iterable[WorkerRecord]) -> list[str]:
        """Those who have not beaten for longer than their lease, by this process's own clock."""
        return [
            each.info.id
            for each in workers
            if self._silences.get(each.info.id, (None, 0.0))[1] > each.info.lease_seconds + _STEP_SECONDS
        ]

    def _silence(self, worker: WorkerRecord, passed: float) -> float:
        seen_at, before = self._silences.get(worker.info.id, (None, 0.0))
        if seen_at != worker.seen_at:
            return 0.0
        return before + min(passed, _GAP_SECONDS)
