"""The job store: what the runner needs of a database, and nothing of how one does it.

A store is synchronous, thread-safe and list-shaped: each call is one transaction over many jobs. Every write that a
worker makes carries ``(id, claim_seq)``; where the claim is no longer current the write does nothing and says so.
``claim_seq`` rises at each claim of a job and is never reset, so a worker that was given up for dead cannot finish
a job that runs again elsewhere.

All times are UTC, set by the store's own clock (:meth:`JobStore.now`), never by a worker's. Money is in nano-dollars.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pitchey_core.pricing import Usage

__all__ = [
    "TRANSITIONS",
    "Attempt",
    "AttemptOutcome",
    "Beat",
    "Claim",
    "ClaimedJob",
    "CostGroup",
    "CostRow",
    "Directive",
    "JobEvent",
    "JobFilter",
    "JobRecord",
    "JobState",
    "JobStore",
    "ManifestCommit",
    "NewJob",
    "Priority",
    "Rescue",
    "Settlement",
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

TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.SCHEDULED: frozenset({JobState.PENDING, JobState.CANCELLED}),
    JobState.BLOCKED: frozenset({JobState.SCHEDULED, JobState.PENDING, JobState.CANCELLED}),
    JobState.PENDING: frozenset({JobState.PROCESSING, JobState.CANCELLED}),
    JobState.PROCESSING: frozenset(
        {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.SCHEDULED, JobState.PENDING}
    ),
    JobState.COMPLETED: frozenset(),
    # Asked for by a person: `retry` and `dead retry`.
    JobState.FAILED: frozenset({JobState.PENDING}),
    JobState.CANCELLED: frozenset({JobState.PENDING}),
}
"""The one transition table. Stores enforce it in the database as well."""


class Priority(StrEnum):
    """A priority is a head start in the line, so a lower one is delayed but never starved."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def head_start_seconds(self) -> float:
        return _HEAD_START[self]


_HEAD_START = {Priority.HIGH: 3600.0, Priority.MEDIUM: 600.0, Priority.LOW: 0.0}


class AttemptOutcome(StrEnum):
    """How one attempt ended. ``lost`` (its worker died) is counted apart from ``failed``."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    RELEASED = "released"


class Directive(StrEnum):
    """What the store answers to a heartbeat."""

    CONTINUE = "continue"
    CANCEL = "cancel"
    LOST = "lost"


def _new_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to enqueue.

    Attributes:
        type: Name of the processor, never an alias; also the name of the queue.
        payload: JSON object, with every path already an absolute URL.
        output: URL of the folder that the outputs are published in.
        overwrite: Whether outputs that exist there may be replaced.
        delay_seconds: How long to wait before the job becomes ready.
        max_attempts: Attempts in all; retries + 1.
        batch_id: The batch that this job belongs to.
        item_key: Identity of the item within its batch; unique per batch.
        input_digest: Digest of type, payload and inputs.
        wall_limit: Seconds that one run may take; ``None``: the processor's own.
    """

    type: str
    payload: dict[str, Any]
    priority: Priority = Priority.MEDIUM
    output: str | None = None
    overwrite: bool = False
    delay_seconds: float = 0.0
    max_attempts: int = 4
    instance_type: str = "standard-1"
    wall_limit: float | None = None
    batch_id: str | None = None
    item_key: str | None = None
    input_digest: str | None = None
    plugin_version: str | None = None
    organization_id: str = "default"
    submitted_by: str | None = None
    id: str = field(default_factory=_new_id)


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


@dataclass(frozen=True, slots=True)
class Beat:
    """A running job's heartbeat: extends the lease, and stores progress and usage so far.

    ``progress`` is 0 to 1; ``None`` leaves what is stored.
    """

    claim: Claim
    progress: float | None = None
    message: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class ManifestCommit:
    """Outputs that are staged and will now be published, and how the job will then be settled.

    Once this is committed the job can no longer be cancelled or run again, only published: by its worker, or by
    whoever rescues it.
    """

    claim: Claim
    manifest: dict[str, Any]
    settlement: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of an attempt.

    Attributes:
        outcome: How the attempt ended.
        state: What becomes of the job: ``completed``, ``failed``, ``cancelled``, or ``scheduled`` for a retry.
        retry_in: Seconds until the retry, with ``scheduled``.
        result: The Result object that the job record shows.
        error: Error record of the attempt (see :meth:`PitcheyError.as_record`).
        usage, cost_nanos: Written to the ledger in the same transaction.
        log_path: Where this attempt's log is, if it wrote one.
        more_memory: Run the next attempt with 1.5 × the memory.
    """

    claim: Claim
    outcome: AttemptOutcome
    state: JobState
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    usage: Usage = Usage()
    cost_nanos: int = 0
    retry_in: float = 0.0
    log_path: str | None = None
    more_memory: bool = False


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
    """A registered worker and when it was last heard of."""

    info: WorkerInfo
    registered_at: datetime
    seen_at: datetime
    active_jobs_count: int


@dataclass(frozen=True, slots=True)
class Rescue:
    """A job taken from a dead worker, and what became of it.

    ``state`` is ``scheduled`` (runs again), ``failed`` (lost too often), ``cancelled`` (its cancellation was
    pending) or ``processing``: then ``rolled_forward`` is the job, claimed by the rescuer, with a manifest to publish.
    """

    job_id: str
    state: JobState
    rolled_forward: ClaimedJob | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a job. ``outcome`` is ``None`` while it runs."""

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
    plugin_version: str | None
    organization_id: str
    submitted_by: str | None
    cancel_requested: bool
    processing_time_seconds: float | None
    cost_nanos: int

    def as_record(self) -> dict[str, Any]:
        """The job record of the public contract, as JSON data (``estimated_cost_usd`` is a decimal string)."""
        from dataclasses import fields  # noqa: PLC0415

        from pitchey_core.pricing import format_usd  # noqa: PLC0415

        record: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            record[each.name] = value.isoformat() if isinstance(value, datetime) else value
        record["estimated_cost_usd"] = format_usd(record.pop("cost_nanos"))
        return record


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; all conditions hold together, an empty collection means any."""

    states: Collection[JobState] = ()
    types: Collection[str] = ()
    batch_id: str | None = None
    ids: Collection[str] = ()
    since: datetime | None = None


class CostGroup(StrEnum):
    TYPE = "type"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class CostRow:
    """Attempts and their cost, summed over a type or a day (``key``)."""

    key: str
    jobs: int
    attempts: int
    wall_seconds: float
    cpu_seconds: float
    cost_nanos: int


class JobStore(ABC):
    """See the module's docstring.

    Raises (every method): :class:`~pitchey_core.errors.StoreError` when the database cannot be used. No method
    raises for a lost claim: that is an answer.
    """

    url: str

    # -- life ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def close(self) -> None:
        """Flush and close. Safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def now(self) -> datetime:
        """The store's clock, UTC."""

    @abstractmethod
    def change_counter(self) -> int:
        """A number that differs whenever another connection has committed; cheap enough to poll each 5 ms."""

    # -- producers ----------------------------------------------------------------------------------------------

    @abstractmethod
    def enqueue(self, jobs: Sequence[NewJob], *, claimed_by: WorkerInfo | None = None) -> list[str | None]:
        """Insert jobs, all or none; durable when it returns.

        A job whose ``(batch_id, item_key)`` is already there is not inserted: its place in the answer is ``None``.
        With ``claimed_by`` the jobs are inserted as already claimed by that (registered) worker, ``claim_seq`` 1,
        attempt 1; the claim is read back with :meth:`claimed`.
        """

    @abstractmethod
    def cancel(self, ids: Sequence[str]) -> list[JobState | None]:
        """Cancel jobs. Waiting ones become ``cancelled`` at once; for running ones the owner is told at its next
        heartbeat, and the state in the answer is still ``processing``. Finished ones keep their state; ``None``:
        no such job. A job whose manifest is committed can no longer be cancelled and completes."""

    @abstractmethod
    def retry(self, ids: Sequence[str]) -> list[JobState | None]:
        """Make ``failed`` and ``cancelled`` jobs ``pending`` again with all their attempts before them.

        The attempt history is kept. Jobs in other states keep their state."""

    @abstractmethod
    def purge(self, ids: Sequence[str]) -> int:
        """Delete finished jobs with their attempts and events; says how many. The ledger is kept."""

    # -- workers ------------------------------------------------------------------------------------------------

    @abstractmethod
    def register_worker(self, worker: WorkerInfo) -> None: ...

    @abstractmethod
    def remove_worker(self, worker_id: str) -> None:
        """Forget a worker that has no claims left."""

    @abstractmethod
    def workers(self) -> list[WorkerRecord]: ...

    @abstractmethod
    def claim(
        self, worker: WorkerInfo, job_type: str, limit: int, *, batch_id: str | None = None
    ) -> list[ClaimedJob]:
        """Claim up to ``limit`` ready jobs of one type, in the order of the line (see :class:`Priority`)."""

    @abstractmethod
    def claimed(self, worker_id: str) -> list[ClaimedJob]:
        """What a worker holds now."""

    @abstractmethod
    def beat(self, worker_id: str, beats: Sequence[Beat]) -> list[Directive]:
        """Extend the leases of a worker's jobs, and mark the worker itself as alive. One answer per beat."""

    @abstractmethod
    def cancellations(self, worker_id: str) -> list[Claim]:
        """Running jobs of this worker whose cancellation was asked for; a cheap read, polled each 250 ms."""

    @abstractmethod
    def commit_manifests(self, commits: Sequence[ManifestCommit]) -> list[bool]:
        """Commit what will be published, before it is. ``False``: the claim is lost or the job was cancelled."""

    @abstractmethod
    def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """End attempts: job state, attempt row, event and ledger entry in one transaction. ``False``: claim lost."""

    @abstractmethod
    def release(self, claims: Sequence[Claim]) -> list[bool]:
        """Give jobs back unrun: ``pending`` again, in their old place, no attempt burned."""

    @abstractmethod
    def rescue(self, rescuer: WorkerInfo, dead_workers: Collection[str] = (), *, limit: int = 500) -> list[Rescue]:
        """Take over jobs of workers known to be dead, and jobs of any worker whose lease has expired.

        Each lost attempt is closed as ``lost`` and priced from its last heartbeat by the store's price book, with
        ``usage.complete`` false. A job lost three times in all is ``failed`` (poison guard).
        """

    @abstractmethod
    def promote_due(self, limit: int = 1000) -> int:
        """Move ``scheduled`` jobs whose time has come to ``pending``; says how many."""

    # -- readers ------------------------------------------------------------------------------------------------

    @abstractmethod
    def get(self, job_id: str) -> JobRecord | None: ...

    @abstractmethod
    def find(self, prefix: str) -> list[str]:
        """Ids that start with ``prefix`` (at most ten), for people who type ids."""

    @abstractmethod
    def list(self, where: JobFilter = JobFilter(), *, limit: int = 100, newest_first: bool = True) -> list[JobRecord]: ...

    @abstractmethod
    def counts(self, where: JobFilter = JobFilter()) -> dict[JobState, int]:
        """Jobs per state; states without jobs are left out."""

    @abstractmethod
    def ready(self, batch_id: str | None = None) -> dict[str, int]:
        """``pending`` jobs per type."""

    @abstractmethod
    def next_due(self, batch_id: str | None = None) -> float | None:
        """Seconds until the next ``scheduled`` job is due (0 if it is overdue); ``None``: none is scheduled."""

    @abstractmethod
    def attempts(self, job_id: str) -> list[Attempt]: ...

    @abstractmethod
    def events(self, *, job_id: str | None = None, after: int = 0, limit: int = 1000) -> list[JobEvent]: ...

    @abstractmethod
    def costs(self, group: CostGroup, *, since: datetime | None = None) -> list[CostRow]:
        """Cost per type or per day (UTC), from the ledger."""
