"""A moment of a store and this host: what ``pitchey-run top`` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pitchey_core.host import Host
from pitchey_core.pricing import format_usd
from pitchey_runner.store.interface import (
    ALL_QUEUES,
    CostGroup,
    JobFilter,
    JobRecord,
    JobState,
    JobStore,
    WorkerRecord,
    most_slots,
)
from pitchey_runner.store.waiting_for_room import remaining_seconds
from pitchey_runner.telemetry.host_load import HostLoad, HostMeter

__all__ = ["Observatory", "Overview", "QueueView", "RunningJob"]

_COUNTED: Final = tuple(
    state for state in JobState if state not in {JobState.COMPLETED, JobState.CANCELLED}
)  # fmt: skip
_MOST_RUNNING: Final = 200
_RATE_MINUTES: Final = 5


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue.

    Attributes:
        waiting: Jobs that could be claimed, or are kept from it by a limit, a rate or a budget.
        later: ``scheduled`` and ``blocked`` jobs.
        failed: Dead letters.
        max_slots: Most jobs at a time on this host.
        per_minute: Attempts that ended, on all hosts, over the last five minutes.
        cost_nanos_per_hour: Their cost, at the same pace.
    """

    name: str
    paused: bool
    waiting: int
    later: int
    running: int
    failed: int
    max_slots: int
    per_minute: float
    cost_nanos_per_hour: int


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A running job; ``eta_seconds`` follows from its progress so far, or from what such jobs have taken before."""

    record: JobRecord
    elapsed_seconds: float
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    """See the module's docstring. ``paused``: all queues are."""

    at: datetime
    paused: bool
    queues: Sequence[QueueView]
    running: Sequence[RunningJob]
    workers: Sequence[WorkerRecord]
    host: HostLoad
    cost_nanos_today: int

    @property
    def cost_nanos_per_hour(self) -> int:
        return sum(each.cost_nanos_per_hour for each in self.queues)

    def as_record(self) -> dict[str, Any]:
        """As JSON data."""
        queues = []
        for each in self.queues:
            queue = asdict(each)
            queue["cost_usd_per_hour"] = format_usd(queue.pop("cost_nanos_per_hour"))
            queues.append(queue)
        return {
            "at": self.at.isoformat(),
            "paused": self.paused,
            "queues": queues,
            "running": [
                {
                    "job_id": each.record.id,
                    "type": each.record.type,
                    "progress": each.record.progress,
                    "message": each.record.message,
                    "worker_id": each.record.worker_id,
                    "elapsed_seconds": each.elapsed_seconds,
                    "eta_seconds": each.eta_seconds,
                }
                for each in self.running
            ],
            "workers": len(self.workers),
            "host": asdict(self.host),
            "cost_usd_per_hour": format_usd(self.cost_nanos_per_hour),
            "cost_usd_today": format_usd(self.cost_nanos_today),
        }


class Observatory:
    """Looks at one store and this host, again and again."""

    def __init__(self, store: JobStore, host: Host) -> None:
        self._store = store
        self._host = host
        self._meter = HostMeter(host.settings.data_dir)
        self._typical: dict[str, float | None] = {}

    def look(self) -> Overview:
        """The moment now.

        Raises:
            StoreError: The store cannot be read.
        """
        now = self._store.now()
        limits = {each.name: each for each in self._store.queues()}
        everywhere = limits.get(ALL_QUEUES)
        recent = self._store.costs(CostGroup.TYPE, since=now - timedelta(minutes=_RATE_MINUTES))
        ended = {row.key: row for row in recent}
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        queues = []
        for name in self._host.registry.processors:
            counts = self._store.counts(JobFilter(states=_COUNTED, types=[name]))
            limit, row = limits.get(name), ended.get(name)
            queues.append(
                QueueView(
                    name=name,
                    paused=limit is not None and limit.paused,
                    waiting=counts.get(JobState.PENDING, 0),
                    later=counts.get(JobState.SCHEDULED, 0) + counts.get(JobState.BLOCKED, 0),
                    running=counts.get(JobState.PROCESSING, 0),
                    failed=counts.get(JobState.FAILED, 0),
                    max_slots=most_slots(limits.values(), name, self._host.queue(name).max_slots),
                    per_minute=0.0 if row is None else row.attempts / _RATE_MINUTES,
                    cost_nanos_per_hour=0 if row is None else row.cost_nanos * 60 // _RATE_MINUTES,
                )
            )
        running = self._store.list(
            JobFilter(states=[JobState.PROCESSING]), limit=_MOST_RUNNING, newest_first=False
        )
        return Overview(
            at=now,
            paused=everywhere is not None and everywhere.paused,
            queues=queues,
            running=[self._running(record, now) for record in running],
            workers=self._store.workers(),
            host=self._meter.look(),
            cost_nanos_today=sum(row.cost_nanos for row in self._store.costs(CostGroup.DAY, since=midnight)),
        )

    def _running(self, record: JobRecord, now: datetime) -> RunningJob:
        elapsed = 0.0 if record.started_at is None else max(0.0, (now - record.started_at).total_seconds())
        typical = None if record.progress else self._typical_seconds(record.type)
        return RunningJob(record, elapsed, remaining_seconds(record, now, typical))

    def _typical_seconds(self, job_type: str) -> float | None:
        # Once in a life: the past changes little, and looking is dear.
        if job_type not in self._typical:
            estimate = self._store.estimate(job_type)
            self._typical[job_type] = None if estimate is None else estimate.wall_seconds.p50
        return self._typical[job_type]
