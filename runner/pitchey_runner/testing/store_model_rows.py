"""What the reference model keeps, and how it shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pitchey_core.pricing import Usage
from pitchey_runner.store.queue_records import Hold
from pitchey_runner.store.records import (
    Claim,
    ClaimedJob,
    CostRow,
    JobRecord,
    JobState,
    NewJob,
    OnFailure,
)

__all__ = ["Edge", "LedgerLine", "ModelJob", "as_claimed", "as_cost_row", "as_record"]


@dataclass
class Edge:
    """A dependency on another job; ``met``: no longer."""

    on_failure: OnFailure
    met: bool = False


@dataclass
class ModelJob:
    """A job and all that changes about it."""

    seq: int
    new: NewJob
    created_at: datetime
    run_at: datetime
    state: JobState
    attempt: int = 0
    lost_count: int = 0
    claim_seq: int = 0
    worker_id: str | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    cancel_requested: bool = False
    progress: float | None = None
    message: str | None = None
    manifest: dict[str, Any] | None = None
    settlement: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    memory_factor: float = 1.0
    processing_seconds: float | None = None
    cost_nanos: int = 0
    hold: Hold | None = None
    hold_until: datetime | None = None
    pause_requested: bool = False
    unique_held: bool = False
    parents: dict[str, Edge] = field(default_factory=dict)

    @property
    def waits_for(self) -> list[str]:
        return [parent for parent, edge in self.parents.items() if not edge.met]

    @property
    def unique_until(self) -> datetime | None:
        unique = self.new.unique
        if unique is None or unique.seconds is None:
            return None
        return self.created_at + timedelta(seconds=unique.seconds)

    @property
    def place(self) -> tuple[datetime, int]:
        return self.run_at - timedelta(seconds=self.new.priority.head_start_seconds), self.seq

    def holds(self, claim: Claim) -> bool:
        return self.state is JobState.PROCESSING and self.claim_seq == claim.claim_seq


@dataclass(frozen=True)
class LedgerLine:
    """A line of the ledger."""

    at: datetime
    job_id: str
    type: str
    organization_id: str
    completed: bool
    input_bytes: int | None
    usage: Usage
    cost_nanos: int


def as_claimed(job: ModelJob) -> ClaimedJob:
    assert job.lease_until is not None
    new = job.new
    return ClaimedJob(
        Claim(new.id, job.claim_seq),
        new.type,
        new.payload,
        new.priority,
        new.output,
        new.overwrite,
        job.attempt,
        new.max_attempts,
        new.instance_type,
        new.wall_limit,
        new.batch_id,
        job.lease_until,
        job.created_at,
        job.manifest,
        job.settlement,
        job.memory_factor,
        job.lost_count,
        job.pause_requested,
        new.trace_parent,
    )


def as_record(job: ModelJob) -> JobRecord:
    new = job.new
    return JobRecord(
        id=new.id,
        type=new.type,
        payload=new.payload,
        priority=new.priority,
        status=job.state,
        created_at=job.created_at,
        run_at=job.run_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        worker_id=job.worker_id,
        retry_count=max(0, job.attempt - 1),
        lost_count=job.lost_count,
        max_attempts=new.max_attempts,
        claim_seq=job.claim_seq,
        progress=job.progress,
        message=job.message,
        result=job.result,
        error=job.error,
        output=new.output,
        overwrite=new.overwrite,
        batch_id=new.batch_id,
        item_key=new.item_key,
        instance_type=new.instance_type,
        wall_limit=new.wall_limit,
        plugin_version=new.plugin_version,
        organization_id=new.organization_id,
        submitted_by=new.submitted_by,
        cancel_requested=job.cancel_requested,
        pause_requested=job.pause_requested,
        hold=None if job.hold is None else job.hold.value,
        unique_key=None if new.unique is None else new.unique.key,
        concurrency_key=new.concurrency_key,
        schedule=new.schedule,
        input_bytes=new.input_bytes,
        trace_parent=new.trace_parent,
        processing_time_seconds=job.processing_seconds,
        cost_nanos=job.cost_nanos,
    )


def as_cost_row(key: str, entries: list[LedgerLine]) -> CostRow:
    return CostRow(
        key=key,
        jobs=len({entry.job_id for entry in entries}),
        attempts=len(entries),
        wall_seconds=sum(entry.usage.wall_us for entry in entries) / 1e6,
        cpu_seconds=sum(entry.usage.cpu_us for entry in entries) / 1e6,
        cost_nanos=sum(entry.cost_nanos for entry in entries),
    )
