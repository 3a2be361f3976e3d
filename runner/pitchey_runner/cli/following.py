"""Follows jobs through the events of their store."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

from pitchey_runner.library.showing import View
from pitchey_runner.store.interface import JobEvent, JobFilter, JobRecord, JobState, JobStore

__all__ = ["Follower", "Listener"]

_MOST_JOBS: Final = 100_000
_MOST_RUNNING: Final = 50
_SHOWN: Final = 8


class Listener(Protocol):
    """Hears what happens to jobs."""

    def found(self, job: JobRecord) -> None:
        """A job as it is when the following begins."""

    def happened(self, event: JobEvent, job_type: str) -> None:
        """A transition."""

    def progressed(self, job: JobRecord) -> None:
        """A running job is further than before."""


class Follower:
    """Call :meth:`look` at each change of the store.

    Args:
        ids: The jobs to follow.
        batch_id: Or those of a batch, also those that join it meanwhile. With neither: all jobs, for ever.
    """

    def __init__(
        self,
        store: JobStore,
        ids: Collection[str],
        *,
        batch_id: str | None,
        tell: Listener,
        view: View | None,
    ) -> None:
        self._store = store
        self._batch_id = batch_id
        self._everything = not ids and batch_id is None
        self._tell = tell
        self._view = view
        self._types: dict[str, str | None] = {}
        self._states: dict[str, JobState] = {}
        self._progress: dict[str, tuple[float | None, str | None]] = {}
        # First, so that nothing is missed between the two; what comes twice does no harm.
        self._seen = store.last_event()
        if not self._everything:
            where = JobFilter(ids=ids, batch_id=batch_id)
            for record in store.list(where, limit=_MOST_JOBS, newest_first=False):
                self._types[record.id] = record.type
                self._states[record.id] = record.status
                tell.found(record)

    @property
    def all_completed(self) -> bool:
        return all(state is JobState.COMPLETED for state in self._states.values())

    def look(self) -> bool | None:
        """Tell what is new; true once all are finished."""
        while events := self._store.events(after=self._seen):
            self._seen = events[-1].seq
            for event in events:
                job_type = self._type_if_followed(event)
                if job_type is not None:
                    if not self._everything:
                        self._states[event.job_id] = event.state
                    self._tell.happened(event, job_type)
        self._look_at_running()
        finished = not self._everything and all(state.finished for state in self._states.values())
        return True if finished else None

    def _type_if_followed(self, event: JobEvent) -> str | None:
        """The job's type; ``None`` where it is not followed."""
        if event.job_id in self._types:
            return self._types[event.job_id]
        record = None if not self._everything and self._batch_id is None else self._store.get(event.job_id)
        followed = record is not None and self._batch_id in (None, record.batch_id)
        found = record.type if record is not None and followed else None
        if not event.state.finished or not self._everything:
            self._types[event.job_id] = found
        return found

    def _look_at_running(self) -> None:
        ids = [job_id for job_id, state in self._states.items() if state is JobState.PROCESSING]
        running = []
        if ids or self._everything:
            where = JobFilter(states=[JobState.PROCESSING], ids=ids)
            running = self._store.list(where, limit=_MOST_RUNNING, newest_first=False)
        for record in running:
            progress = (record.progress, record.message)
            if progress != (None, None) and self._progress.get(record.id) != progress:
                self._tell.progressed(record)
        self._progress = {record.id: (record.progress, record.message) for record in running}
        if self._view is not None:
            states = list(self._states.values())
            done = sum(state.finished for state in states)
            failed = sum(state.finished and state is not JobState.COMPLETED for state in states)
            lines = [
                (f"{record.type} {record.id[:8]}", record.progress, record.message or "")
                for record in running[:_SHOWN]
            ]
            self._view.update(done, failed, len(states), lines)
