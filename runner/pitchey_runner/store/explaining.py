"""From what a store knows about a waiting job to the reasons why it waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pitchey_runner.store.buckets import available, next_start
from pitchey_runner.store.new_job import OnFailure, RateLimit
from pitchey_runner.store.queue_records import (
    BudgetStatus,
    Estimate,
    Explanation,
    Hold,
    QueueRecord,
    Reason,
    ReasonKind,
)
from pitchey_runner.store.records import JobRecord, JobState
from pitchey_runner.store.waiting_for_room import WorkerRoom, at_once, why_no_room

__all__ = ["Circumstances", "QueueLoad", "explain"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """A queue with limits, how many of its jobs run, and when its bucket is full."""

    queue: QueueRecord
    running: int
    full_at: int | None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that explains a job.

    Attributes:
        now: The store's clock, in microseconds.
        hold_until: Of its hold.
        key_limit, key_running: Of its concurrency key.
        key_rate, key_full_at: The same key's rate, and when its bucket is full.
        before: Jobs before it: in the line of its key if that holds it, else in that of its queue.
        parents: Of unmet dependencies: id, state, policy.
        queues: Those with limits that concern it.
        running: Jobs of its type that run.
        worker_lost: Its worker has not been heard of for longer than its lease.
        workers: Live workers for its type, each with its room.
    """

    now: int
    hold_until: datetime | None
    key_limit: int | None
    key_running: int
    key_rate: RateLimit | None
    key_full_at: int | None
    before: int
    parents: Sequence[tuple[str, JobState, OnFailure]]
    queues: Sequence[QueueLoad]
    budgets: Sequence[BudgetStatus]
    running: int
    worker_lost: bool
    workers: Sequence[WorkerRoom]
    typical: Estimate | None


def explain(job: JobRecord, about: Circumstances) -> Explanation:
    """Every reason that holds now, what somebody has to do something about first."""
    reasons: tuple[Reason, ...] = ()
    if job.status is JobState.PROCESSING and about.worker_lost:
        # A live one takes it over; where there is none, it stays as it is.
        reasons = (Reason(ReasonKind.WORKER_LOST, job.worker_id),)
        if not about.workers:
            reasons += (Reason(ReasonKind.NO_WORKER, job.type),)
    elif job.status is JobState.PROCESSING:
        # A worker may have claimed it, and have no room for it now.
        reasons = tuple(why_no_room(job, _moment(about.now), about.workers))
    elif not job.status.finished:
        takers = [each for each in about.workers if each.room is None or each.room.takes(job.batch_id)]
        about = replace(about, workers=takers)
        reasons = tuple(_reasons(job, about))
    return Explanation(
        job.id,
        job.status.value,
        reasons,
        about.running,
        len(about.workers),
        about.typical,
        at_once(job.type, about.workers),
    )


def _reasons(job: JobRecord, about: Circumstances) -> Iterator[Reason]:
    for load in about.queues:
        if load.queue.paused:
            yield Reason(ReasonKind.QUEUE_PAUSED, load.queue.name)
    if job.pause_requested:
        yield Reason(ReasonKind.JOB_PAUSED)
    for parent, state, on_failure in about.parents:
        yield Reason(ReasonKind.DEPENDENCY, parent, state=state.value, on_failure=on_failure)
    if job.run_at > _moment(about.now):
        again = job.status is JobState.SCHEDULED and job.claim_seq > 0
        yield Reason(ReasonKind.RETRY if again else ReasonKind.DELAY, until=job.run_at)
    for status in about.budgets:
        if status.stops and status.budget.covers(job.type, job.organization_id):
            limit = status.budget.limit_nanos
            yield Reason(
                ReasonKind.BUDGET, status.budget.name, status.spent_nanos, limit, until=status.ends_at
            )
    if job.status is JobState.PENDING:
        yield from _in_line(job, about)


def _in_line(job: JobRecord, about: Circumstances) -> Iterator[Reason]:
    behind = job.hold == Hold.CONCURRENCY
    if behind and about.key_limit is not None and about.key_running >= about.key_limit:
        yield Reason(ReasonKind.CONCURRENCY, job.concurrency_key, about.key_running, about.key_limit)
    for load in about.queues:
        most = load.queue.limits.max_running
        if most is not None and load.running >= most:
            yield Reason(ReasonKind.QUEUE_LIMIT, load.queue.name, load.running, most)
    if job.hold == Hold.RATE:
        yield Reason(ReasonKind.RATE, job.concurrency_key, until=about.hold_until)
    elif behind:
        yield from _rate(job.concurrency_key, about.key_rate, about.key_full_at, about.now)
    for load in about.queues:
        yield from _rate(load.queue.name, load.queue.limits.rate, load.full_at, about.now)
    if not about.workers:
        yield Reason(ReasonKind.NO_WORKER, job.type)
    if job.hold is None:
        yield from why_no_room(job, _moment(about.now), about.workers)
    if job.hold in (None, Hold.CONCURRENCY):
        yield Reason(ReasonKind.POSITION, count=about.before)


def _rate(name: str | None, rate: RateLimit | None, full_at: int | None, now: int) -> Iterator[Reason]:
    """That a rate lets nothing start now, if it does."""
    if rate is None:
        return
    period = round(rate.seconds * 1e6)
    if not available(full_at, now, rate.count, period):
        start = next_start(full_at, now, rate.count, period)
        yield Reason(ReasonKind.RATE, name, until=_moment(start))


def _moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)
