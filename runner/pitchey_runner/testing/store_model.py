"""The reference: a job store in plain Python, slow and obvious, that drivers are compared with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pitchey_core.errors import SlotCrashed
from pitchey_core.pricing import Usage
from pitchey_runner.store.queue_records import Hold
from pitchey_runner.store.records import (
    AttemptOutcome,
    Beat,
    Claim,
    ClaimedJob,
    Directive,
    JobState,
    ManifestCommit,
    Rescue,
    Settlement,
    WorkerInfo,
    WorkerRecord,
)
from pitchey_runner.store.room import Room
from pitchey_runner.testing.store_model_rows import LedgerLine, ModelJob, as_claimed
from pitchey_runner.testing.store_model_schedules import ModelSchedules

__all__ = ["ModelStore"]

_S = JobState


class ModelStore(ModelSchedules):
    """A store in memory. It passes the conformance suite itself.

    Args:
        clock: Microseconds since 1970 UTC.
    """

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
            taken = self._choose(job_type, limit, batch_id)
            if taken:
                self._ensure(worker)
            for job in taken:
                self._move(job, _S.PROCESSING)
                self._begin(job, worker)
            self._rebalance()
            return [as_claimed(job) for job in taken]

    def beat(
        self,
        worker_id: str,
        beats: Sequence[Beat],
        *,
        cpu_percent: float | None = None,
        memory_percent: float | None = None,
        room: Room | None = None,
    ) -> list[Directive]:
        with self._guard:
            now, lease = self.now(), 30.0
            worker = self._workers.get(worker_id)
            if worker is not None:
                lease = worker.info.lease_seconds
                cpu = worker.cpu_usage_percent if cpu_percent is None else cpu_percent
                memory = worker.memory_usage_percent if memory_percent is None else memory_percent
                self._workers[worker_id] = replace(
                    worker,
                    seen_at=now,
                    cpu_usage_percent=cpu,
                    memory_usage_percent=memory,
                    room=room or worker.room,
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
            self._note_memory(job, beat)
        if job.cancel_requested:
            return Directive.CANCEL
        return Directive.PAUSE if job.pause_requested else Directive.CONTINUE

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
            answers = [self._settle(each) for each in settlements]
            self._after_end(
                [self._jobs[e.claim.job_id] for e, ok in zip(settlements, answers, strict=True) if ok]
            )
            return answers

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
        self._note_memory(job, end)
        self._charge(
            LedgerLine(
                now,
                job.new.id,
                job.new.type,
                job.new.organization_id,
                end.outcome is AttemptOutcome.COMPLETED,
                job.new.input_bytes,
                end.usage,
                end.cost_nanos,
            )
        )
        kind = "lost" if lost else "retry_scheduled" if state is _S.SCHEDULED else state.value
        data = {"attempt": job.attempt, "outcome": end.outcome.value, "cost_nanos": end.cost_nanos}
        self._event(job, kind, data if end.error is None else {**data, "error": end.error})
        return True

    def release(self, claims: Sequence[Claim]) -> list[bool]:
        with self._guard:
            answers = [self._release(claim) for claim in claims]
            self._after_end([self._jobs[claim.job_id] for claim in claims if claim.job_id in self._jobs])
            return answers

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
        at: datetime | None = None,
    ) -> list[Rescue]:
        with self._guard:
            now = self.now() if at is None else min(at, self.now())
            lost = [
                (job.lease_until, job.seq, job)
                for job in self._jobs.values()
                if job.state is _S.PROCESSING
                and job.lease_until is not None
                and (job.worker_id in dead_workers or job.lease_until <= now)
            ]
            lost.sort(key=lambda each: each[:2])
            taken = [job for _, _, job in lost[: max(0, limit)]]
            if taken:
                self._ensure(rescuer)
            rescues = [
                self._lose(job) if job.manifest is None else self._take_over(job, rescuer) for job in taken
            ]
            self._after_end(taken)
            return rescues

    def _lose(self, job: ModelJob) -> Rescue:
        attempt = self._attempts[job.new.id][-1]
        usage = (attempt.usage or Usage()).with_(complete=False)
        reserved = attempt.reserved_memory_bytes
        reserved = usage.peak_memory_bytes if reserved is None else reserved
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
            cost_nanos=self._prices.cost(usage, reserved_memory_bytes=reserved),
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
            self._free_held([Hold.RATE, Hold.BUDGET], until=self.now(), limit=max(0, limit))
            return len(due)

    # -- parts ---------------------------------------------------------------------------------------

    def _held(self, claim: Claim) -> ModelJob | None:
        job = self._jobs.get(claim.job_id)
        return job if job is not None and job.holds(claim) else None

    def _note_memory(self, job: ModelJob, said: Beat | Settlement) -> None:
        for name in ("reserved_memory_bytes", "enforced_by"):
            if (value := getattr(said, name)) is not None:
                self._change_attempt(job, **{name: value})

    def _change_attempt(self, job: ModelJob, **changes: Any) -> None:
        attempts = self._attempts[job.new.id]
        attempts[-1] = replace(attempts[-1], **changes)
