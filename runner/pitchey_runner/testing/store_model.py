"""The reference: a job store in plain Python, slow and obvious, that drivers are compared with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pitchey_core.errors import SlotCrashed, StoreError
from pitchey_core.pricing import Usage
from pitchey_runner.store.interface import MemoryOf, built_in_memory
from pitchey_runner.store.records import (
    TRANSITIONS,
    Attempt,
    AttemptOutcome,
    Beat,
    Claim,
    ClaimedJob,
    Directive,
    JobEvent,
    JobState,
    ManifestCommit,
    NewJob,
    Rescue,
    Settlement,
    WorkerInfo,
    WorkerRecord,
)
from pitchey_runner.testing.store_model_reading import ModelReader
from pitchey_runner.testing.store_model_rows import LedgerLine, ModelJob, as_claimed

__all__ = ["ModelStore"]

_S = JobState
_WAITING = {_S.SCHEDULED, _S.BLOCKED, _S.PENDING}


class ModelStore(ModelReader):
    """A store in memory. It passes the conformance suite itself.

    Args:
        clock: Microseconds since 1970 UTC.
    """

    # -- producers ----------------------------------------------------------------------------------

    def enqueue(self, jobs: Sequence[NewJob], *, claimed_by: WorkerInfo | None = None) -> list[str | None]:
        with self._guard:
            now = self.now()
            fresh = self._without_known_items(jobs)
            if len({job.id for job in fresh} | self._jobs.keys()) < len(fresh) + len(self._jobs):
                raise StoreError("an id is there already")
            if any(job.max_attempts < 1 for job in fresh):
                raise StoreError("a job needs at least one attempt")
            if claimed_by is not None:
                self._ensure(claimed_by)
            for job in fresh:
                delay = max(timedelta(), timedelta(seconds=job.delay_seconds))
                state = _S.SCHEDULED if delay else _S.PENDING
                added = ModelJob(self._seq, job, now, now + delay, state)
                if claimed_by is not None:
                    added.state = _S.PROCESSING
                self._jobs[job.id] = added
                self._attempts[job.id] = []
                self._seq += 1
                self._event(added, "enqueued")
            if claimed_by is not None:
                for job in fresh:
                    self._begin(self._jobs[job.id], claimed_by)
            accepted = {job.id for job in fresh}
            return [job.id if job.id in accepted else None for job in jobs]

    def _without_known_items(self, jobs: Sequence[NewJob]) -> list[NewJob]:
        items = {(each.new.batch_id, each.new.item_key) for each in self._jobs.values()}
        fresh = []
        for job in jobs:
            item = (job.batch_id, job.item_key)
            if None in item or item not in items:
                fresh.append(job)
                items.add(item)
        return fresh

    def cancel(self, ids: Sequence[str]) -> list[JobState | None]:
        with self._guard:
            for job in self._known(ids):
                if job.manifest is not None or job.cancel_requested:
                    continue
                if job.state in _WAITING:
                    job.cancel_requested = True
                    job.completed_at = self.now()
                    self._move(job, _S.CANCELLED)
                    self._event(job, "cancelled")
                elif job.state is _S.PROCESSING:
                    job.cancel_requested = True
                    self._event(job, "cancel_requested")
            return self._states(ids)

    def retry(self, ids: Sequence[str]) -> list[JobState | None]:
        with self._guard:
            for job in self._known(ids):
                if job.state in {_S.FAILED, _S.CANCELLED}:
                    kept = ModelJob(job.seq, job.new, job.created_at, self.now(), job.state)
                    kept.claim_seq, kept.cost_nanos = job.claim_seq, job.cost_nanos
                    self._jobs[job.new.id] = kept
                    self._move(kept, _S.PENDING)
                    self._event(kept, "retried")
            return self._states(ids)

    def purge(self, ids: Sequence[str]) -> int:
        with self._guard:
            gone = {job.new.id for job in self._known(ids) if job.state.finished}
            for job_id in gone:
                del self._jobs[job_id], self._attempts[job_id]
            self._events = [event for event in self._events if event.job_id not in gone]
            return len(gone)

    # -- workers ------------------------------------------------------------------------------------

    def register_worker(self, worker: WorkerInfo) -> None:
        with self._guard:
            now = self.now()
            old = self._workers.get(worker.id) or WorkerRecord(worker, now, now, 0)
            self._workers[worker.id] = replace(old, info=worker, seen_at=now)

    def remove_worker(self, worker_id: str) -> None:
        with self._guard:
            if not self._held_by(worker_id):
                self._workers.pop(worker_id, None)

    def claim(
        self, worker: WorkerInfo, job_type: str, limit: int, *, batch_id: str | None = None
    ) -> list[ClaimedJob]:
        with self._guard:
            ready = [
                job
                for job in self._jobs.values()
                if job.state is _S.PENDING
                and job.new.type == job_type
                and (batch_id is None or job.new.batch_id == batch_id)
            ]
            ready.sort(key=lambda job: job.place)
            taken = ready[: max(0, limit)]
            if taken:
                self._ensure(worker)
            for job in taken:
                self._move(job, _S.PROCESSING)
                self._begin(job, worker)
            return [as_claimed(job) for job in taken]

    def beat(
        self,
        worker_id: str,
        beats: Sequence[Beat],
        *,
        cpu_percent: float | None = None,
        memory_percent: float | None = None,
    ) -> list[Directive]:
        with self._guard:
            now, lease = self.now(), 30.0
            worker = self._workers.get(worker_id)
            if worker is not None:
                lease = worker.info.lease_seconds
                cpu = worker.cpu_usage_percent if cpu_percent is None else cpu_percent
                memory = worker.memory_usage_percent if memory_percent is None else memory_percent
                self._workers[worker_id] = replace(
                    worker, seen_at=now, cpu_usage_percent=cpu, memory_usage_percent=memory
                )
            return [self._beat(worker_id, each, now + timedelta(seconds=lease)) for each in beats]

    def _beat(self, worker_id: str, beat: Beat, lease_until: datetime) -> Directive:
        job = self._held(beat.claim)
        if job is None or job.worker_id != worker_id:
            return Directive.LOST
        job.lease_until = lease_until
        job.progress = job.progress if beat.progress is None else beat.progress
        job.message = job.message if beat.message is None else beat.message
        if beat.usage is not None:
            self._change_attempt(job, usage=beat.usage)
        return Directive.CANCEL if job.cancel_requested else Directive.CONTINUE

    def commit_manifests(self, commits: Sequence[ManifestCommit]) -> list[bool]:
        with self._guard:
            answers = []
            for commit in commits:
                job = self._held(commit.claim)
                answers.append(job is not None and not job.cancel_requested)
                if job is not None and not job.cancel_requested:
                    job.manifest, job.settlement = commit.manifest, commit.settlement
            return answers

    def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        with self._guard:
            return [self._settle(each) for each in settlements]

    def _settle(self, end: Settlement, *, lost: bool = False) -> bool:
        job = self._held(end.claim)
        if job is None:
            return False
        now = self.now()
        state = _S.CANCELLED if end.state is _S.SCHEDULED and job.cancel_requested else end.state
        job.lost_count += lost
        job.lease_until = None
        job.result, job.error = end.result, end.error
        job.processing_seconds = end.usage.wall_seconds
        job.cost_nanos += end.cost_nanos
        if state is _S.SCHEDULED:
            job.run_at = now + timedelta(seconds=end.retry_in)
            job.worker_id = None
            job.memory_factor = 1.5 if end.more_memory else job.memory_factor
        else:
            job.completed_at = now
            job.progress = 1.0 if state is _S.COMPLETED else job.progress
            job.manifest = job.settlement = None
        self._move(job, state)
        self._change_attempt(
            job,
            ended_at=now,
            outcome=end.outcome,
            error=end.error,
            usage=end.usage,
            cost_nanos=end.cost_nanos,
            log_path=end.log_path,
        )
        self._ledger.append(LedgerLine(now, job.new.id, job.new.type, end.usage, end.cost_nanos))
        kind = "lost" if lost else "retry_scheduled" if state is _S.SCHEDULED else state.value
        data = {"attempt": job.attempt, "outcome": end.outcome.value, "cost_nanos": end.cost_nanos}
        self._event(job, kind, data if end.error is None else {**data, "error": end.error})
        return True

    def release(self, claims: Sequence[Claim]) -> list[bool]:
        with self._guard:
            return [self._release(claim) for claim in claims]

    def _release(self, claim: Claim) -> bool:
        job = self._held(claim)
        if job is None:
            return False
        now = self.now()
        self._change_attempt(job, ended_at=now, outcome=AttemptOutcome.RELEASED, usage=None)
        job.attempt -= 1
        job.worker_id = job.lease_until = job.started_at = job.progress = job.message = None
        job.completed_at = now if job.cancel_requested else None
        self._move(job, _S.CANCELLED if job.cancel_requested else _S.PENDING)
        self._event(job, "cancelled" if job.cancel_requested else "released")
        return True

    def rescue(
        self,
        rescuer: WorkerInfo,
        dead_workers: Collection[str] = (),
        *,
        limit: int = 500,
        memory_of: MemoryOf = built_in_memory,
    ) -> list[Rescue]:
        with self._guard:
            lost = [
                (job.lease_until, job.seq, job)
                for job in self._jobs.values()
                if job.state is _S.PROCESSING
                and job.lease_until is not None
                and (job.worker_id in dead_workers or job.lease_until <= self.now())
            ]
            lost.sort(key=lambda each: each[:2])
            taken = [job for _, _, job in lost[: max(0, limit)]]
            if taken:
                self._ensure(rescuer)
            return [
                self._lose(job, memory_of) if job.manifest is None else self._take_over(job, rescuer)
                for job in taken
            ]

    def _lose(self, job: ModelJob, memory_of: MemoryOf) -> Rescue:
        usage = (self._attempts[job.new.id][-1].usage or Usage()).with_(complete=False)
        known = memory_of(job.new.instance_type)
        reserved = known * job.memory_factor if known else usage.peak_memory_bytes
        losses = job.lost_count + 1
        error = SlotCrashed(f"worker {job.worker_id} was lost while it ran this job")
        state = _S.CANCELLED if job.cancel_requested else _S.FAILED if losses == 3 else _S.SCHEDULED
        if state is _S.FAILED:
            error = SlotCrashed(
                "3 workers were lost while they ran this job; it is not run again",
                remedy=f"see why, then: pitchey-run retry {job.new.id}",
            )
        end = Settlement(
            Claim(job.new.id, job.claim_seq),
            AttemptOutcome.LOST,
            state,
            error=error.as_record(),
            usage=usage,
            cost_nanos=self._prices.cost(usage, reserved_memory_bytes=int(reserved)),
            retry_in={1: 0.0, 2: 4.0}.get(losses, 8.0),
        )
        self._settle(end, lost=True)
        return Rescue(job.new.id, state)

    def _take_over(self, job: ModelJob, rescuer: WorkerInfo) -> Rescue:
        before = job.worker_id
        self._change_attempt(job, claim_seq=job.claim_seq + 1, worker_id=rescuer.id)
        job.claim_seq += 1
        job.worker_id = rescuer.id
        job.lease_until = self.now() + timedelta(seconds=rescuer.lease_seconds)
        self._event(job, "taken_over", {"worker_id": rescuer.id, "from": before})
        return Rescue(job.new.id, _S.PROCESSING, rolled_forward=as_claimed(job))

    def promote_due(self, limit: int = 1000) -> int:
        with self._guard:
            due = [j for j in self._jobs.values() if j.state is _S.SCHEDULED and j.run_at <= self.now()]
            due = sorted(due, key=lambda job: (job.run_at, job.seq))[: max(0, limit)]
            for job in due:
                self._move(job, _S.PENDING)
                self._event(job, "due")
            return len(due)

    # -- parts ---------------------------------------------------------------------------------------

    def _known(self, ids: Iterable[str]) -> Iterable[ModelJob]:
        return [self._jobs[job_id] for job_id in dict.fromkeys(ids) if job_id in self._jobs]

    def _states(self, ids: Iterable[str]) -> list[JobState | None]:
        return [self._jobs[job_id].state if job_id in self._jobs else None for job_id in ids]

    def _held(self, claim: Claim) -> ModelJob | None:
        job = self._jobs.get(claim.job_id)
        return job if job is not None and job.holds(claim) else None

    def _ensure(self, worker: WorkerInfo) -> None:
        if worker.id not in self._workers:
            self.register_worker(worker)

    def _begin(self, job: ModelJob, worker: WorkerInfo) -> None:
        now = self.now()
        job.claim_seq += 1
        job.attempt += 1
        job.worker_id = worker.id
        job.lease_until = now + timedelta(seconds=worker.lease_seconds)
        job.started_at = now
        job.progress = job.message = None
        self._attempts[job.new.id].append(
            Attempt(job.attempt, job.claim_seq, worker.id, now, None, None, None, None, 0, None)
        )
        self._event(job, "claimed", {"attempt": job.attempt, "worker_id": worker.id})

    def _change_attempt(self, job: ModelJob, **changes: Any) -> None:
        attempts = self._attempts[job.new.id]
        attempts[-1] = replace(attempts[-1], **changes)

    def _move(self, job: ModelJob, state: JobState) -> None:
        assert state in TRANSITIONS[job.state], (job.state, state)
        job.state = state

    def _event(self, job: ModelJob, kind: str, data: dict[str, Any] | None = None) -> None:
        self._changes += 1
        self._event_seq += 1
        self._events.append(JobEvent(self._event_seq, job.new.id, self.now(), kind, job.state, data))
