"""Runs a batch to its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import anyio.to_thread

from pitchey_core.host import Host
from pitchey_core.pricing import format_usd
from pitchey_runner.batch.resuming import MANY, Enqueued, enqueue_batch
from pitchey_runner.store.interface import JobFilter, JobRecord, JobState, JobStore, NewJob
from pitchey_runner.supervisor import Supervisor, Watcher

__all__ = ["BatchDone", "BatchSummary", "run_batch"]


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What one run of a batch did; :meth:`as_record` is what ``batch --json`` ends with.

    Attributes:
        submitted: Jobs to be done in this run, new or once more.
        skipped: Jobs that were done before.
        cost_nanos: Of this run alone.
    """

    submitted: int
    completed: int
    skipped: int
    failed: int
    cancelled: int
    wall_seconds: float
    cost_nanos: int

    @property
    def all_done(self) -> bool:
        return self.completed == self.submitted

    def as_record(self) -> dict[str, Any]:
        record = asdict(self)
        record["wall_seconds"] = round(self.wall_seconds, 3)
        record["cost_usd"] = format_usd(record.pop("cost_nanos"))
        return record


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A batch after it was run.

    Attributes:
        records: Its jobs in the order of the file.
        skipped: Ids of those that were done before.
        interrupted: Whether a signal ended the run.
    """

    summary: BatchSummary
    records: list[JobRecord]
    skipped: Collection[str]
    interrupted: bool


async def run_batch(
    store: JobStore,
    host: Host,
    jobs: Sequence[NewJob],
    *,
    watcher: Watcher | None = None,
    max_slots: int | None = None,
) -> BatchDone:
    """Enqueue a batch and work on it until nothing of it is left to do, or a signal says stop.

    Args:
        jobs: As :func:`~pitchey_runner.batch.read_batch` returns them: all of one batch.
    """
    started = time.monotonic()
    enqueued = await anyio.to_thread.run_sync(enqueue_batch, store, host, jobs)
    supervisor = Supervisor(
        store,
        host,
        types=sorted({job.type for job in jobs}),
        batch_id=enqueued.batch_id,
        max_slots=max_slots,
        watcher=watcher,
    )
    if enqueued.ids:
        await supervisor.run(drain=True)
    records = await anyio.to_thread.run_sync(
        partial(store.list, JobFilter(batch_id=enqueued.batch_id), limit=MANY)
    )
    by_id = {record.id: record for record in records}
    return BatchDone(
        _summary(enqueued, by_id, time.monotonic() - started),
        [by_id[each] for each in enqueued.order if each in by_id],
        enqueued.skipped,
        supervisor.interrupted,
    )


def _summary(enqueued: Enqueued, records: dict[str, JobRecord], wall_seconds: float) -> BatchSummary:
    mine = [records[each] for each in enqueued.ids if each in records]
    states = Counter(record.status for record in mine)
    return BatchSummary(
        submitted=len(mine),
        completed=states[JobState.COMPLETED],
        skipped=len(enqueued.skipped),
        failed=states[JobState.FAILED],
        cancelled=states[JobState.CANCELLED],
        wall_seconds=wall_seconds,
        cost_nanos=sum(record.cost_nanos - enqueued.costs_before.get(record.id, 0) for record in mine),
    )
