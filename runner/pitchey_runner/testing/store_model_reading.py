"""The reading half of the reference model."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any

from pitchey_core.pricing import PriceBook
from pitchey_runner.store.interface import JobStore
from pitchey_runner.store.queue_records import Budget, BudgetEvent, QueueRecord, ScheduleRecord
from pitchey_runner.store.records import (
    EVERYTHING,
    Attempt,
    Claim,
    ClaimedJob,
    CostGroup,
    CostRow,
    JobEvent,
    JobFilter,
    JobRecord,
    JobState,
    WorkerRecord,
)
from pitchey_runner.testing.store_model_rows import LedgerLine, ModelJob, as_claimed, as_cost_row, as_record

__all__ = ["ModelReader"]


class ModelReader(JobStore):
    """What can be asked of the model; see :class:`~.store_model.ModelStore`."""

    def __init__(
        self,
        *,
        prices: PriceBook | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.url = "model://"
        self._prices = prices or PriceBook()
        self._clock = clock
        self._guard = RLock()
        self._jobs: dict[str, ModelJob] = {}
        self._attempts: dict[str, list[Attempt]] = {}
        self._events: list[JobEvent] = []
        self._ledger: list[LedgerLine] = []
        self._workers: dict[str, WorkerRecord] = {}
        self._queues: dict[str, QueueRecord] = {}
        self._buckets: dict[str, int] = {}
        self._budgets: dict[str, Budget] = {}
        self._spending: dict[tuple[str, int], int] = {}
        self._budget_events: list[BudgetEvent] = []
        self._schedules: dict[str, ScheduleRecord] = {}
        self._seq = self._event_seq = self._changes = 0

    def close(self) -> None:
        """Nothing to close."""

    def now(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._clock())

    def change_counter(self) -> int:
        return self._changes

    def wait_for_change(self, seen: int, timeout: float) -> int:
        end = time.monotonic() + timeout
        while self._changes == seen and time.monotonic() < end:
            time.sleep(0.001)
        return self._changes

    # -- readers ------------------------------------------------------------------------------------

    def get(self, job_id: str) -> JobRecord | None:
        with self._guard:
            return None if job_id not in self._jobs else as_record(self._jobs[job_id])

    def find(self, prefix: str) -> list[str]:
        with self._guard:
            return sorted(job_id for job_id in self._jobs if job_id.startswith(prefix))[:10]

    def counts(self, where: JobFilter = EVERYTHING) -> dict[JobState, int]:
        with self._guard:
            return dict(Counter(job.state for job in self._matching(where)))

    def next_due(self, batch_id: str | None = None) -> float | None:
        with self._guard:
            jobs = self._matching(JobFilter(states={JobState.SCHEDULED}, batch_id=batch_id))
            due = min((job.run_at for job in jobs), default=None)
            return None if due is None else max(0.0, (due - self.now()).total_seconds())

    def attempts(self, job_id: str) -> list[Attempt]:
        with self._guard:
            return list(self._attempts.get(job_id, ()))

    def events(self, *, job_id: str | None = None, after: int = 0, limit: int = 1000) -> list[JobEvent]:
        with self._guard:
            found = [e for e in self._events if e.seq > after and job_id in {None, e.job_id}]
            return found[: max(0, limit)]

    def last_event(self) -> int:
        with self._guard:
            return self._events[-1].seq if self._events else 0

    def costs(self, group: CostGroup, *, since: datetime | None = None) -> list[CostRow]:
        with self._guard:
            lines: dict[str, list[LedgerLine]] = {}
            for entry in self._ledger:
                if since is None or entry.at >= since:
                    key = {
                        CostGroup.DAY: entry.at.date().isoformat(),
                        CostGroup.ORGANIZATION: entry.organization_id,
                    }.get(group, entry.type)
                    lines.setdefault(key, []).append(entry)
            return [as_cost_row(key, lines[key]) for key in sorted(lines)]

    def workers(self) -> list[WorkerRecord]:
        with self._guard:
            records = sorted(self._workers.values(), key=lambda each: (each.registered_at, each.info.id))
            return [replace(each, active_jobs_count=len(self._held_by(each.info.id))) for each in records]

    def claimed(self, worker_id: str) -> list[ClaimedJob]:
        with self._guard:
            return [as_claimed(job) for job in self._held_by(worker_id)]

    def cancellations(self, worker_id: str) -> list[Claim]:
        with self._guard:
            held = self._held_by(worker_id)
            return [Claim(job.new.id, job.claim_seq) for job in held if job.cancel_requested]

    def _event(self, job: ModelJob, kind: str, data: dict[str, Any] | None = None) -> None:
        self._changes += 1
        self._event_seq += 1
        self._events.append(JobEvent(self._event_seq, job.new.id, self.now(), kind, job.state, data))

    def _held_by(self, worker_id: str) -> Sequence[ModelJob]:
        return [j for j in self._jobs.values() if j.state is JobState.PROCESSING and j.worker_id == worker_id]

    def _matching(self, where: JobFilter) -> Sequence[ModelJob]:
        return [
            job
            for job in self._jobs.values()
            if (not where.states or job.state in where.states)
            and (not where.types or job.new.type in where.types)
            and (not where.ids or job.new.id in where.ids)
            and where.batch_id in {None, job.new.batch_id}
            and (where.since is None or job.created_at >= where.since)
            and (where.before is None or job.created_at < where.before)
            and (job.claim_seq > 0 or not where.started)
            and where.organization_id in {None, job.new.organization_id}
            and (not where.errors or (job.error or {}).get("class") in where.errors)
        ]

    # Last, because below it the name would hide the built-in type in annotations.
    def list(
        self, where: JobFilter = EVERYTHING, *, limit: int = 100, newest_first: bool = True
    ) -> list[JobRecord]:
        with self._guard:
            jobs = sorted(self._matching(where), key=lambda job: job.seq, reverse=newest_first)
            return [as_record(job) for job in jobs[: max(0, limit)]]
