"""The reference model's lines: who may be claimed now, and why others may not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pitchey_runner.store.buckets import available, next_start, taken
from pitchey_runner.store.explaining import Circumstances, QueueLoad, explain
from pitchey_runner.store.interface import (
    ALL_QUEUES,
    Claim,
    Explanation,
    Hold,
    JobFilter,
    JobState,
    QueueLimits,
    QueueRecord,
    RateLimit,
    WorkerRecord,
)
from pitchey_runner.store.room import Lane
from pitchey_runner.store.waiting_for_room import WorkerRoom, lane_seconds
from pitchey_runner.testing.store_model_money import ModelMoney
from pitchey_runner.testing.store_model_rows import ModelJob, as_record

__all__ = ["ModelLines"]

_S = JobState


class ModelLines(ModelMoney):
    """Limits are counted from the jobs each time."""

    # -- queues --------------------------------------------------------------------------------------

    def queues(self) -> list[QueueRecord]:
        with self._guard:
            return [self._queues[name] for name in sorted(self._queues)]

    def limit_queue(self, name: str, limits: QueueLimits) -> None:
        with self._guard:
            self._queues[name] = replace(self._queue(name), limits=limits)

    def pause_queue(self, name: str, *, paused: bool) -> bool:
        with self._guard:
            changed = self._queue(name).paused != paused
            self._queues[name] = replace(self._queue(name), paused=paused)
            return changed

    def ready(self, batch_id: str | None = None, *, most: int | None = None) -> dict[str, int]:
        with self._guard:
            first: dict[str, tuple[datetime, str]] = {}
            jobs = [job for job in self._in_line() if batch_id in {None, job.new.batch_id}]
            for job in jobs:
                here = (job.place[0], job.new.type)
                first[job.new.type] = min(here, first.get(job.new.type, here))
            counts = Counter(job.new.type for job in jobs)
            found = {}
            for job_type in sorted(first, key=first.__getitem__):
                allowed = self._allowance(job_type)
                bounds = [each for each in (counts[job_type], allowed, most) if each is not None]
                count = min(bounds)
                if count:
                    found[job_type] = count
            return found

    def waits_for_rate(self, types: Collection[str], batch_id: str | None = None) -> bool:
        with self._guard:
            pending = self._matching(JobFilter([_S.PENDING], types, batch_id))
            if any(job.hold is Hold.RATE for job in pending):
                return True
            for job_type in {job.new.type for job in pending if job.hold is None}:
                loads = self._loads(job_type)
                if any(each.queue.paused for each in loads) or self._stopped(job_type):
                    continue
                if any(self._starts(each) == 0 for each in loads):
                    return True
            return False

    def why(self, job_id: str) -> Explanation | None:
        with self._guard:
            job = self._jobs.get(job_id)
            if job is None:
                return None
            new, now = job.new, self.now()
            line = [each for each in self._in_line() if each.new.type == new.type]
            if job.hold is Hold.CONCURRENCY:
                line = self._of_key(job)
            about = Circumstances(
                now=self._clock(),
                hold_until=job.hold_until,
                key_limit=new.concurrency_limit,
                key_running=len(self._running_of_key(job)),
                key_rate=new.rate,
                key_full_at=self._buckets.get(_bucket(job)),
                before=sum(each.place < job.place for each in line),
                parents=[
                    (parent, self._jobs[parent].state, job.parents[parent].on_failure)
                    for parent in sorted(job.waits_for, key=lambda each: self._jobs[each].seq)
                ],
                queues=self._loads(new.type),
                budgets=self.budgets(),
                running=len(self._matching(JobFilter([_S.PROCESSING], [new.type]))),
                worker_lost=job.worker_id is not None
                and not any(
                    each.info.id == job.worker_id
                    and each.seen_at + timedelta(seconds=each.info.lease_seconds) > now
                    for each in self.workers()
                ),
                workers=[
                    self._room_of(each)
                    for each in self.workers()
                    if new.type in each.info.types
                    and each.seen_at + timedelta(seconds=each.info.lease_seconds) > now
                ],
                typical=self.estimate(new.type, new.input_bytes),
            )
            return explain(as_record(job), about)

    def _room_of(self, worker: WorkerRecord) -> WorkerRoom:
        lanes = () if worker.room is None else worker.room.lanes
        return WorkerRoom(worker.info.host, worker.room, [self._remaining(each) for each in lanes])

    def _remaining(self, lane: Lane) -> float | None:
        known = self.estimate(lane.type)
        typical = None if known is None else known.wall_seconds.p50
        return lane_seconds(lane, self.get(lane.job_id), self.now(), typical)

    # -- single jobs ---------------------------------------------------------------------------------

    def pause(self, ids: Sequence[str]) -> list[JobState | None]:
        return self._set_paused(ids, paused=True)

    def resume(self, ids: Sequence[str]) -> list[JobState | None]:
        return self._set_paused(ids, paused=False)

    def _set_paused(self, ids: Sequence[str], *, paused: bool) -> list[JobState | None]:
        with self._guard:
            for job in self._known(ids):
                if job.state.finished or job.pause_requested == paused:
                    continue
                job.pause_requested = paused
                if job.state is _S.PENDING:
                    self._enter_line(job)
                self._event(job, "pause_requested" if paused else "resumed")
            self._rebalance()
            return self._states(ids)

    def pauses(self, worker_id: str) -> list[Claim]:
        with self._guard:
            held = self._held_by(worker_id)
            return [Claim(job.new.id, job.claim_seq) for job in held if job.pause_requested]

    # -- limits --------------------------------------------------------------------------------------

    def _queue(self, name: str) -> QueueRecord:
        return self._queues.get(name) or QueueRecord(name, paused=False, limits=QueueLimits())

    def _loads(self, job_type: str) -> list[QueueLoad]:
        processing = Counter(job.new.type for job in self._jobs.values() if job.state is _S.PROCESSING)
        return [
            QueueLoad(
                self._queues[name],
                processing.total() if name == ALL_QUEUES else processing[name],
                self._buckets.get(f"queue:{name}"),
            )
            for name in sorted({job_type, ALL_QUEUES} & self._queues.keys())
        ]

    def _starts(self, load: QueueLoad) -> int | None:
        rate = load.queue.limits.rate
        if rate is None:
            return None
        return available(load.full_at, self._clock(), rate.count, _period(rate))

    def _allowance(self, job_type: str) -> int | None:
        """How many jobs of a type its queue lets start now; ``None``: any number."""
        bounds = [0] if self._stopped(job_type) else []
        for load in self._loads(job_type):
            if load.queue.paused:
                bounds.append(0)
            if load.queue.limits.max_running is not None:
                bounds.append(max(0, load.queue.limits.max_running - load.running))
            starts = self._starts(load)
            if starts is not None:
                bounds.append(starts)
        return min(bounds, default=None)

    def _choose(self, job_type: str, limit: int, batch_id: str | None) -> list[ModelJob]:
        """The jobs to claim; those that turn out to be held back are, and those that are taken use up rates."""
        allowed = self._allowance(job_type)
        limit = max(0, limit if allowed is None else min(limit, allowed))
        chosen: list[ModelJob] = []
        for job in self._in_line():
            new = job.new
            if len(chosen) == limit:
                break
            if new.type != job_type or batch_id not in {None, new.batch_id}:
                continue
            if job.hold is not None:
                continue
            if stopping := self._stopping(new.organization_id):
                ends = [each.ends_at for each in stopping if each.ends_at is not None]
                until = max(ends) if len(ends) == len(stopping) else None
                mates = [each for each in self._of_key(job) if _payer(each) == _payer(job)]
                for each in mates if new.concurrency_key is not None else [job]:
                    each.hold, each.hold_until = Hold.BUDGET, until
            elif new.concurrency_key is None or self._key_allows(job, chosen):
                chosen.append(job)
        if chosen:
            for load in self._loads(job_type):
                self._take(f"queue:{load.queue.name}", load.queue.limits.rate, len(chosen))
        return chosen

    def _key_allows(self, job: ModelJob, chosen: Sequence[ModelJob]) -> bool:
        limit, rate = job.new.concurrency_limit, job.new.rate
        mates = [each for each in chosen if _key(each) == _key(job)]
        if limit is not None and len(self._running_of_key(job)) + len(mates) >= limit:
            return False
        if rate is not None:
            full_at = self._buckets.get(_bucket(job))
            if not available(full_at, self._clock(), rate.count, _period(rate)):
                start = next_start(full_at, self._clock(), rate.count, _period(rate))
                job.hold, job.hold_until = (
                    Hold.RATE,
                    self.now() + timedelta(microseconds=start - self._clock()),
                )
                return False
            self._take(_bucket(job), rate, 1)
        return True

    def _take(self, bucket: str, rate: RateLimit | None, starts: int) -> None:
        if rate is not None:
            before = self._buckets.get(bucket)
            self._buckets[bucket] = taken(before, self._clock(), rate.count, _period(rate), starts)

    # -- the line ------------------------------------------------------------------------------------

    def _in_line(self) -> list[ModelJob]:
        pending = [job for job in self._jobs.values() if job.state is _S.PENDING and job.hold is None]
        return sorted(pending, key=lambda job: job.place)

    def _enter_line(self, job: ModelJob) -> None:
        job.hold_until = None
        job.hold = Hold.PAUSED if job.pause_requested else None
        if job.hold is None and job.new.concurrency_key is not None:
            job.hold = Hold.CONCURRENCY

    def _free_held(
        self, kind: Collection[Hold | None], until: datetime | None = None, limit: int | None = None
    ) -> None:
        held = [
            (job.hold_until, job.seq, job)
            for job in self._jobs.values()
            if job.state is _S.PENDING and job.hold in kind
        ]
        if until is not None:
            held = [each for each in held if each[0] is not None and each[0] <= until]
            held.sort(key=lambda each: each[:2])
        for _, _, job in held[:limit]:
            self._enter_line(job)
        self._rebalance()

    def _free_held_by_budgets(self) -> None:
        self._free_held([Hold.BUDGET])

    def _rebalance(self) -> None:
        """Of each key, let as many into the line as may run, the first of them."""
        heads: dict[tuple[str, str | None], ModelJob] = {}
        for job in self._jobs.values():
            if job.state is _S.PENDING and job.new.concurrency_key is not None:
                heads.setdefault(_key(job), job)
        for one in heads.values():
            line = self._of_key(one)
            if not line:
                continue
            bounds = [len(line)]
            if line[0].new.concurrency_limit is not None:
                bounds.append(line[0].new.concurrency_limit - len(self._running_of_key(one)))
            if line[0].new.rate is not None:
                bounds.append(line[0].new.rate.count)
            most = max(0, min(bounds))
            for job in line[:most]:
                if job.hold is Hold.CONCURRENCY:
                    job.hold = None
            for job in line[most:]:
                job.hold, job.hold_until = Hold.CONCURRENCY, None

    def _of_key(self, job: ModelJob) -> list[ModelJob]:
        mates = [
            each
            for each in self._jobs.values()
            if each.state is _S.PENDING
            and _key(each) == _key(job)
            and each.hold in {None, Hold.CONCURRENCY, Hold.RATE}
        ]
        return sorted(mates, key=lambda each: each.place)

    def _running_of_key(self, job: ModelJob) -> list[ModelJob]:
        if job.new.concurrency_key is None:
            return []
        return [e for e in self._jobs.values() if e.state is _S.PROCESSING and _key(e) == _key(job)]

    def _known(self, ids: Iterable[str]) -> Iterable[ModelJob]:
        return [self._jobs[job_id] for job_id in dict.fromkeys(ids) if job_id in self._jobs]

    def _states(self, ids: Iterable[str]) -> list[JobState | None]:
        return [self._jobs[job_id].state if job_id in self._jobs else None for job_id in ids]


def _key(job: ModelJob) -> tuple[str, str | None]:
    return job.new.type, job.new.concurrency_key


def _payer(job: ModelJob) -> str:
    return job.new.organization_id


def _bucket(job: ModelJob) -> str:
    return f"key:{job.new.type}:{job.new.concurrency_key}"


def _period(rate: RateLimit) -> int:
    return round(rate.seconds * 1e6)
