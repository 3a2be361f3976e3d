"""The reference model's jobs that come, wait for each other, are changed, and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pitchey_core.errors import Cancelled, StoreError, UnknownName
from pitchey_runner.store.interface import (
    TRANSITIONS,
    Attempt,
    JobEdit,
    JobState,
    NewJob,
    OnFailure,
    WorkerInfo,
)
from pitchey_runner.testing.store_model_lines import ModelLines
from pitchey_runner.testing.store_model_rows import Edge, ModelJob

__all__ = ["ModelDependencies"]

_S = JobState
_WAITING = {_S.SCHEDULED, _S.BLOCKED, _S.PENDING}


class ModelDependencies(ModelLines):
    """Enqueue, cancel, retry, edit, purge; and what follows for the jobs that depend on those."""

    def enqueue(self, jobs: Sequence[NewJob], *, claimed_by: WorkerInfo | None = None) -> list[str | None]:
        with self._guard:
            self._refuse_over_budget(jobs)
            before = dict(self._jobs), dict(self._attempts), self._seq
            self._stands_for: dict[str, str] = {}
            try:
                answers = [self._add(job, claimed_by) for job in jobs]
            except (StoreError, UnknownName):
                self._jobs, self._attempts, self._seq = before
                raise
            added = [job.id for job, answer in zip(jobs, answers, strict=True) if job.id == answer]
            for job_id in added:
                self._event(self._jobs[job_id], "enqueued")
            if claimed_by is not None:
                self._ensure(claimed_by)
                for job_id in added:
                    self._begin(self._jobs[job_id], claimed_by)
            for job_id in added:
                for parent in self._jobs[job_id].waits_for:
                    self._after_end([self._jobs[parent]], only=job_id)
            self._rebalance()
            return answers

    def _add(self, job: NewJob, claimed_by: WorkerInfo | None) -> str | None:
        if job.depends_on and claimed_by is not None:
            raise StoreError("a job that waits for others cannot be claimed already")
        parents: dict[str, Edge] = {}
        for each in job.depends_on:
            # A job of this call that was not needed is stood for by the one that was there.
            parent = self._stands_for.get(each.job_id, each.job_id)
            if parent not in self._jobs:
                raise UnknownName("job", each.job_id, ())
            met = self._jobs[parent].state is _S.COMPLETED
            parents.setdefault(parent, Edge(each.on_failure, met))
        item = (job.batch_id, job.item_key)
        if None not in item and item in {(j.new.batch_id, j.new.item_key) for j in self._jobs.values()}:
            return None
        if (holder := self._holder(job)) is not None and holder.new.id != job.id:
            self._stands_for[job.id] = holder.new.id
            return holder.new.id
        if job.id in self._jobs or job.max_attempts < 1:
            raise StoreError("an id is there already, or a job would have no attempt")
        now = self.now()
        delay = max(timedelta(), timedelta(seconds=job.delay_seconds))
        state = _S.SCHEDULED if delay else _S.PENDING
        if claimed_by is not None:
            state = _S.PROCESSING
        added = ModelJob(self._seq, job, now, now + delay, state, parents=parents)
        added.unique_held = job.unique is not None
        if added.waits_for:
            added.state = _S.BLOCKED
        if added.state is _S.PENDING:
            self._enter_line(added)
        self._jobs[job.id] = added
        self._attempts[job.id] = []
        self._seq += 1
        return job.id

    def _holder(self, job: NewJob) -> ModelJob | None:
        for other in self._jobs.values():
            if (
                job.unique is not None
                and other.new.unique is not None
                and other.unique_held
                and (other.new.organization_id, other.new.type, other.new.unique.key)
                == (job.organization_id, job.type, job.unique.key)
                and (other.unique_until is None or other.unique_until > self.now())
            ):
                return other
        return None

    def cancel(self, ids: Sequence[str]) -> list[JobState | None]:
        with self._guard:
            ended = []
            for job in self._known(ids):
                if job.manifest is not None or job.cancel_requested:
                    continue
                if job.state in _WAITING:
                    job.cancel_requested = True
                    job.completed_at = self.now()
                    self._move(job, _S.CANCELLED)
                    self._event(job, "cancelled")
                    ended.append(job)
                elif job.state is _S.PROCESSING:
                    job.cancel_requested = True
                    self._event(job, "cancel_requested")
            self._after_end(ended)
            return self._states(ids)

    def retry(self, ids: Sequence[str]) -> list[JobState | None]:
        with self._guard:
            for job in sorted(self._known(ids), key=lambda each: each.seq):
                if job.state not in {_S.FAILED, _S.CANCELLED}:
                    continue
                whole = job.new.unique is not None and job.new.unique.seconds is None
                if whole and self._holder(job.new) is not None:
                    continue
                kept = ModelJob(job.seq, job.new, job.created_at, self.now(), job.state)
                kept.claim_seq, kept.cost_nanos = job.claim_seq, job.cost_nanos
                kept.unique_held = whole or job.unique_held
                kept.parents = {
                    parent: Edge(edge.on_failure, self._jobs[parent].state.finished)
                    for parent, edge in job.parents.items()
                    if parent in self._jobs
                }
                self._jobs[job.new.id] = kept
                self._move(kept, _S.BLOCKED if kept.waits_for else _S.PENDING)
                self._event(kept, "retried")
            self._rebalance()
            return self._states(ids)

    def edit(self, job_id: str, edit: JobEdit) -> JobState | None:
        with self._guard:
            job = self._jobs.get(job_id)
            if job is None:
                return None
            changes = {
                name: value
                for name in JobEdit.__slots__
                if (value := getattr(edit, name)) is not None and not name.startswith("input_")
            }
            if job.state in _WAITING | {_S.FAILED, _S.CANCELLED} and job.manifest is None and changes:
                inputs: dict[str, Any] = {"input_digest": edit.input_digest, "input_bytes": edit.input_bytes}
                job.new = replace(job.new, **changes, **(inputs if edit.payload is not None else {}))
                self._event(job, "edited", {"fields": sorted(changes)})
                self._rebalance()
            return job.state

    def purge(self, ids: Sequence[str]) -> int:
        with self._guard:
            gone = {job.new.id for job in self._known(ids) if job.state.finished}
            gone -= {
                parent for job in self._jobs.values() if job.state is _S.BLOCKED for parent in job.waits_for
            }
            for job_id in gone:
                del self._jobs[job_id], self._attempts[job_id]
            for job in self._jobs.values():
                job.parents = {each: edge for each, edge in job.parents.items() if each not in gone}
            self._events = [event for event in self._events if event.job_id not in gone]
            return len(gone)

    def purge_old(self, state: JobState, older_than: float, *, limit: int = 1000) -> int:
        with self._guard:
            before = self.now() - timedelta(seconds=older_than)
            old = [
                job.new.id
                for job in sorted(self._jobs.values(), key=lambda each: each.seq)
                if job.state is state and job.completed_at is not None and job.completed_at <= before
            ]
            return self.purge(old[: max(0, limit)]) if state.finished else 0

    # -- parts ---------------------------------------------------------------------------------------

    def _move(self, job: ModelJob, state: JobState) -> None:
        assert state in TRANSITIONS[job.state], (job.state, state)
        job.state = state
        job.hold = job.hold_until = None
        if state is _S.PENDING:
            self._enter_line(job)
        if state.finished and job.new.unique is not None and job.new.unique.seconds is None:
            job.unique_held = False

    def _after_end(self, ended: Sequence[ModelJob], *, only: str | None = None) -> None:
        """Let those go on that waited for nothing else, and cancel those that depended on what failed."""
        parents = list(ended)
        for parent in parents:
            if not parent.state.finished:
                continue
            for child in sorted(self._jobs.values(), key=lambda each: each.seq):
                edge = child.parents.get(parent.new.id)
                if (
                    edge is None
                    or edge.met
                    or (only is not None and parent in ended and child.new.id != only)
                ):
                    continue
                if parent.state is _S.COMPLETED or edge.on_failure is OnFailure.RUN:
                    edge.met = True
                    if child.state is _S.BLOCKED and not child.waits_for:
                        self._move(child, _S.SCHEDULED if child.run_at > self.now() else _S.PENDING)
                        self._event(child, "unblocked")
                elif edge.on_failure is OnFailure.CANCEL and child.state is _S.BLOCKED:
                    child.completed_at = self.now()
                    child.error = Cancelled(
                        f"job {parent.new.id}, on which this one depends, is {parent.state.value}"
                    ).as_record()
                    self._move(child, _S.CANCELLED)
                    self._event(child, "cancelled", {"parent": parent.new.id})
                    parents.append(child)
        self._rebalance()

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
