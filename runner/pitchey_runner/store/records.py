"""What goes into a job store and comes out of it: plain, frozen data that no driver adds to.

Times are UTC datetimes, money is in nano-dollars, durations in seconds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from pitchey_core.pricing import Usage, format_usd
from pitchey_runner.store.new_job import Dependency, NewJob, OnFailure, Priority, RateLimit, Unique
from pitchey_runner.store.room import Room

__all__ = [
    "EVERYTHING",
    "TRANSITIONS",
    "Attempt",
    "AttemptOutcome",
    "Beat",
    "Claim",
    "ClaimedJob",
    "CostGroup",
    "CostRow",
    "Dependency",
    "Directive",
    "JobEdit",
    "JobEvent",
    "JobFilter",
    "JobRecord",
    "JobState",
    "ManifestCommit",
    "NewJob",
    "OnFailure",
    "Priority",
    "RateLimit",
    "Rescue",
    "Settlement",
    "Unique",
    "WorkerInfo",
    "WorkerRecord",
]


class JobState(StrEnum):
    """``failed`` jobs are the dead letters: a permanent error, or retries used up."""

    SCHEDULED = "scheduled"
    BLOCKED = "blocked"
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        return self in _FINISHED


_FINISHED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})
_ENDS = _FINISHED | {JobState.SCHEDULED}

TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.SCHEDULED: frozenset({JobState.PENDING, JobState.CANCELLED}),
    JobState.BLOCKED: frozenset({JobState.SCHEDULED, JobState.PENDING, JobState.CANCELLED}),
    JobState.PENDING: frozenset({JobState.PROCESSING, JobState.CANCELLED}),
    JobState.PROCESSING: frozenset(
        {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.SCHEDULED, JobState.PENDING}
    ),
    JobState.COMPLETED: frozenset(),
    # Asked for by a person: `retry` and `dead retry`. Blocked again, where it depends on what is not finished.
    JobState.FAILED: frozenset({JobState.PENDING, JobState.BLOCKED}),
    JobState.CANCELLED: frozenset({JobState.PENDING, JobState.BLOCKED}),
}
"""The one transition table. Stores enforce it in the database as well."""


class AttemptOutcome(StrEnum):
    """How one attempt ended. ``lost`` (its worker died) is counted apart from ``failed``."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    RELEASED = "released"


class Directive(StrEnum):
    """What the store answers to a heartbeat; ``pause``: be frozen, and go on beating."""

    CONTINUE = "continue"
    PAUSE = "pause"
    CANCEL = "cancel"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a job: the fencing token of every write that a worker makes."""

    job_id: str
    claim_seq: int


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that a worker has claimed.

    Attributes:
        attempt: Number of this attempt, from 1; drains and releases do not burn one.
        manifest: Outputs that an earlier attempt had committed to publish: publish them, do not run again.
        settlement: What the attempt that committed ``manifest`` wanted to settle, as JSON.
        memory_factor: 1.0, or 1.5 after the job was once killed for memory.
        lost_count: Attempts whose worker died; ``attempt - lost_count`` counts against ``max_attempts``.
    """

    claim: Claim
    type: str
    payload: dict[str, Any]
    priority: Priority
    output: str | None
    overwrite: bool
    attempt: int
    max_attempts: int
    instance_type: str
    wall_limit: float | None
    batch_id: str | None
    lease_until: datetime
    created_at: datetime
    manifest: dict[str, Any] | None = None
    settlement: dict[str, Any] | None = None
    memory_factor: float = 1.0
    lost_count: int = 0
    pause_requested: bool = False
    trace_parent: str | None = None


@dataclass(frozen=True, slots=True)
class JobEdit:
    """Changes to a job that is not running and not completed; ``None`` leaves what is there.

    A new priority moves the job in the line, from its old due time on. Digest and size are those of a new payload's
    inputs, and go with one.
    """

    payload: dict[str, Any] | None = None
    priority: Priority | None = None
    max_attempts: int | None = None
    instance_type: str | None = None
    wall_limit: float | None = None
    input_digest: str | None = None
    input_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """A running job's heartbeat: extends the lease, and stores progress and usage so far.

    ``progress`` is 0 to 1; ``None`` leaves what is stored. With ``usage`` goes what an :class:`Attempt` says of the
    memory: should the worker be lost, this is what the attempt is priced by.
    """

    claim: Claim
    progress: float | None = None
    message: str | None = None
    usage: Usage | None = None
    reserved_memory_bytes: int | None = None
    enforced_by: str | None = None


@dataclass(frozen=True, slots=True)
class ManifestCommit:
    """Outputs that are staged and will now be published, and how the job will then be settled.

    Once this is committed the job can no longer be cancelled or run again, only published: by its worker, or
    by whoever rescues it. It holds until the job is finished, so a retry after it only publishes as well.
    """

    claim: Claim
    manifest: dict[str, Any]
    settlement: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of an attempt.

    Attributes:
        outcome: How the attempt ended.
        state: What becomes of the job: ``completed``, ``failed``, ``cancelled``, or ``scheduled`` for a retry
            (which becomes ``cancelled`` where somebody asked for that meanwhile).
        retry_in: Seconds until the retry, with ``scheduled``.
        result: The Result object that the job record shows.
        error: Error record of the attempt (see :meth:`PitcheyError.as_record`).
        usage, cost_nanos: Written to the ledger in the same transaction.
        log_path: Where this attempt's log is, if it wrote one.
        reserved_memory_bytes, enforced_by: See :class:`Attempt`; ``None`` leaves what is stored.
        more_memory: Run the next attempt with 1.5 times the memory.
    """

    claim: Claim
    outcome: AttemptOutcome
    state: JobState
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    usage: Usage = field(default_factory=Usage)
    cost_nanos: int = 0
    retry_in: float = 0.0
    log_path: str | None = None
    more_memory: bool = False
    reserved_memory_bytes: int | None = None
    enforced_by: str | None = None

    def __post_init__(self) -> None:
        if self.state not in _ENDS:
            raise ValueError(f"an attempt cannot end with its job {self.state.value!r}")


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A supervisor process, as it registers itself. ``id`` is fresh for every process start.

    Attributes:
        boot_id, pid, pid_started, pid_namespace: Tell on the same host whether the process still lives.
            ``pid_started`` is the kernel's start time of the process in clock ticks.
        lease_seconds: How long its claims hold without a heartbeat.
    """

    id: str
    host: str
    boot_id: str
    pid: int
    pid_started: int
    pid_namespace: int
    types: tuple[str, ...]
    lease_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A registered worker, when it was last heard of, and the load of its host and its room as it last said."""

    info: WorkerInfo
    registered_at: datetime
    seen_at: datetime
    active_jobs_count: int
    cpu_usage_percent: float | None = None
    memory_usage_percent: float | None = None
    room: Room | None = None


@dataclass(frozen=True, slots=True)
class Rescue:
    """A job taken from a dead worker, and what became of it.

    ``state`` is ``scheduled`` (runs again), ``failed`` (lost too often), ``cancelled`` (its cancellation was
    pending) or ``processing``: then ``rolled_forward`` is the job, claimed by the rescuer, with a manifest to
    publish.
    """

    job_id: str
    state: JobState
    rolled_forward: ClaimedJob | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a job. ``outcome`` is ``None`` while it runs.

    Attributes:
        reserved_memory_bytes: What it had reserved, might use, and is priced by; ``None``: it did not run so far.
        enforced_by: What kept it to that: ``cgroup-v1``, ``cgroup-v2`` or ``supervision``.
    """

    number: int
    claim_seq: int
    worker_id: str
    started_at: datetime
    ended_at: datetime | None
    outcome: AttemptOutcome | None
    error: dict[str, Any] | None
    usage: Usage | None
    cost_nanos: int
    log_path: str | None
    reserved_memory_bytes: int | None = None
    enforced_by: str | None = None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A transition, written in the transition's own transaction. ``seq`` rises without bound."""

    seq: int
    job_id: str
    at: datetime
    kind: str
    state: JobState
    data: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as users see it; see :meth:`as_record`."""

    id: str
    type: str
    payload: dict[str, Any]
    priority: Priority
    status: JobState
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    worker_id: str | None
    retry_count: int
    lost_count: int
    max_attempts: int
    claim_seq: int
    progress: float | None
    message: str | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    output: str | None
    overwrite: bool
    batch_id: str | None
    item_key: str | None
    instance_type: str
    wall_limit: float | None
    plugin_version: str | None
    organization_id: str
    submitted_by: str | None
    cancel_requested: bool
    pause_requested: bool
    hold: str | None
    unique_key: str | None
    concurrency_key: str | None
    schedule: str | None
    input_bytes: int | None
    trace_parent: str | None
    processing_time_seconds: float | None
    cost_nanos: int

    def as_record(self) -> dict[str, Any]:
        """The public job record, as JSON data (``estimated_cost_usd`` is a decimal string)."""
        record: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            record[each.name] = value.isoformat() if isinstance(value, datetime) else value
        record["estimated_cost_usd"] = format_usd(record.pop("cost_nanos"))
        return record


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; all conditions hold together, an empty collection means any.

    Attributes:
        started: Only jobs that were claimed before.
        before: Only jobs created before.
        errors: Only jobs whose last attempt ended with an error of such a class.
    """

    states: Collection[JobState] = ()
    types: Collection[str] = ()
    batch_id: str | None = None
    ids: Collection[str] = ()
    since: datetime | None = None
    before: datetime | None = None
    started: bool = False
    organization_id: str | None = None
    errors: Collection[str] = ()


EVERYTHING = JobFilter()


class CostGroup(StrEnum):
    """``queue`` is the same as ``type``: each type of jobs has its own queue."""

    TYPE = "type"
    DAY = "day"
    QUEUE = "queue"
    ORGANIZATION = "organization"


@dataclass(frozen=True, slots=True)
class CostRow:
    """Attempts and their cost, summed over a group (``key``)."""

    key: str
    jobs: int
    attempts: int
    wall_seconds: float
    cpu_seconds: float
    cost_nanos: int
