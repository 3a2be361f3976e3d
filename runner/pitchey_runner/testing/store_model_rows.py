"""What the reference model keeps, and how it shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pitchey_core.pricing import Usage
from pitchey_runner.store.records import Claim, ClaimedJob, CostRow, JobRecord, JobState, NewJob

__all__ = ["LedgerLine", "ModelJob", "as_claimed", "as_cost_row", "as_record"]


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
