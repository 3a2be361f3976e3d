"""Which of some jobs are finished by now."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from pitchey_core.errors import UnknownName
from pitchey_runner.library.showing import View
from pitchey_runner.store.interface import JobFilter, JobRecord, JobState

if TYPE_CHECKING:
    from pitchey_runner.library.jobs import Jobs

__all__ = ["Waiting"]

_FINISHED: Final = tuple(state for state in JobState if state.finished)
_SHOWN: Final = 8
_CHECK_SECONDS: Final = 1.0


class Waiting:
    """Jobs that somebody waits for; each is given out once.

    Args:
        view: Where to show how they get on.
        total: How many there will be, if that is known.
    """

    def __init__(
        self, jobs: Jobs, ids: Collection[str] = (), *, view: View | None = None, total: int | None = None
    ) -> None:
        self._jobs = jobs
        self._left = dict.fromkeys(ids)
        self._view = view
        self._total = total
        self._done = 0
        self._failed = 0
        self._checked = 0.0

    def __len__(self) -> int:
        return len(self._left)

    @property
    def ids(self) -> list[str]:
        return list(self._left)

    def add(self, ids: Collection[str]) -> None:
        """Wait for these as well."""
        self._left.update(dict.fromkeys(ids))

    def look(self) -> list[JobRecord] | None:
        """Those that are finished and were not given out yet, in the order of their submission; ``None``: none.

        Raises:
            UnknownName: One that is waited for is not in the store (any more).
            StoreError: The store cannot be used, or the worker of this process has failed.
        """
        if not self._left:
            return []
        where = JobFilter(states=_FINISHED, ids=list(self._left))
        found = self._jobs.store.list(where, limit=len(self._left), newest_first=False)
        for record in found:
            del self._left[record.id]
            self._done += 1
            self._failed += record.status is not JobState.COMPLETED
        if not found:
            self._check()
        self._show()
        return found or None

    def _check(self) -> None:
        self._jobs.check_worker()
        now = time.monotonic()
        if now - self._checked < _CHECK_SECONDS:
            return
        self._checked = now
        if sum(self._jobs.store.counts(JobFilter(ids=list(self._left))).values()) == len(self._left):
            return
        for job_id in self._left:
            if self._jobs.store.get(job_id) is None:
                raise UnknownName(
                    "job", job_id, (), remedy="it was purged, or its transaction is not committed"
                )

    def _show(self) -> None:
        if self._view is None:
            return
        where = JobFilter(states=[JobState.PROCESSING], ids=list(self._left))
        running = self._jobs.store.list(where, limit=_SHOWN, newest_first=False) if self._left else []
        lines = []
        for record in running:
            live = self._jobs.live_progress(record.id)
            fraction, message = (
                (record.progress, record.message) if live is None else (live.fraction, live.message)
            )
            lines.append((f"{record.type} {record.id[:8]}", fraction, message or ""))
        total = self._total if self._total is not None else self._done + len(self._left)
        self._view.update(self._done, self._failed, total, lines)
