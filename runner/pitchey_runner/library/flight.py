"""Jobs that are submitted as there is room for them, and given out in their order."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from pitchey_core.errors import UsageError
from pitchey_runner.library.showing import View
from pitchey_runner.library.waiting import Waiting
from pitchey_runner.store.interface import JobRecord
from pitchey_runner.submission import JobRequest

if TYPE_CHECKING:
    from pitchey_runner.library.jobs import Jobs

__all__ = ["Flight"]


class Flight:
    """Alternate :meth:`fill`, :meth:`look` and :meth:`landed` until ``fill`` says that nothing is left.

    Args:
        most: Most jobs that are submitted and not given out.
    """

    def __init__(
        self,
        jobs: Jobs,
        requests: Iterable[JobRequest],
        *,
        most: int,
        total: int | None = None,
        view: View | None = None,
    ) -> None:
        if most < 1:
            raise UsageError(f"max_in_flight: {most} lets nothing start")
        self._jobs = jobs
        self._requests = iter(requests)
        self._most = most
        self._batch = f"map-{uuid.uuid4()}"
        self._order: deque[str] = deque()
        self._done: dict[str, JobRecord] = {}
        self._waiting = Waiting(jobs, view=view, total=total)

    def fill(self) -> bool:
        """Submit what there is room for; in lots, one transaction for many. Says whether any are in flight."""
        free = self._most - len(self._order)
        if 4 * free >= self._most:
            ids = [
                job.id
                for job in self._jobs.submit_all(islice(self._requests, free), batch=self._batch)
            ]  # fmt: skip
            self._order.extend(ids)
            self._waiting.add(ids)
        return bool(self._order)

    def look(self) -> bool | None:
        """Whether the first in order is finished; ``None``: not yet."""
        self._done.update({record.id: record for record in self._waiting.look() or ()})
        return True if self._order[0] in self._done else None

    def landed(self) -> Iterator[JobRecord]:
        """Those that are finished, in order, up to the first that is not."""
        while self._order and self._order[0] in self._done:
            yield self._done.pop(self._order.popleft())

    def cancel(self) -> None:
        """Cancel what is not finished."""
        if len(self._waiting):
            self._jobs.store.cancel(self._waiting.ids)
