"""The tables of the store, as SQLModel declares them: the reference that migrations are compared with.

Times are integer microseconds since 1970 UTC, money is integer nano-dollars, JSON is text. Nothing on the way
of a running job imports this module (it costs 300 ms); the drivers' statements are plain SQL.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, UniqueConstraint

from pitchey_runner.store.columns import (
    INTEGER,
    REAL_NUMBER,
    TEXT,
    StoreTable,
    column,
    integer,
    integer_or_null,
    key,
    partial_index,
    real_or_null,
    text_column,
    text_or_null,
)
from pitchey_runner.store.queue_tables import (
    BudgetEventRow,
    BudgetRow,
    BudgetSpendingRow,
    JobDependencyRow,
    QueueRow,
    RateBucketRow,
    ScheduleRow,
)

__all__ = [
    "AttemptRow",
    "BudgetEventRow",
    "BudgetRow",
    "BudgetSpendingRow",
    "JobDependencyRow",
    "JobEventRow",
    "JobRow",
    "LedgerRow",
    "QueueRow",
    "RateBucketRow",
    "ScheduleRow",
    "StoreTable",
    "WorkerRow",
]


class JobRow(StoreTable, table=True):
    """A job. ``sort_key`` is the due time less the head start of its priority: the order of the line.

    ``hold`` keeps a ``pending`` job out of that line; ``waits_for`` counts the jobs that a ``blocked`` one waits
    for, and ``dependents`` those that ever waited for this one.

    ``id`` is random and for people; other tables point to ``seq``, so that neighbours in time are neighbours
    on disk.
    """

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("id", name="job_id_unique"),
        CheckConstraint(
            "state IN ('scheduled', 'blocked', 'pending', 'processing', 'completed', 'failed', 'cancelled')",
            name="job_state_known",
        ),
        CheckConstraint("priority IN ('high', 'medium', 'low')", name="job_priority_known"),
        CheckConstraint("max_attempts >= 1", name="job_attempts_allowed"),
        CheckConstraint("attempt >= 0", name="job_attempt_counted"),
        CheckConstraint(
            "(state = 'processing') = (lease_until IS NOT NULL)"
            " AND (state <> 'processing' OR worker_id IS NOT NULL)",
            name="job_leased_while_processing",
        ),
        partial_index("job_ready", "type", "sort_key", "seq", where="state = 'pending' AND hold IS NULL"),
        partial_index(
            "job_ready_of_batch",
            "batch_id",
            "type",
            "sort_key",
            "seq",
            where="state = 'pending' AND hold IS NULL AND batch_id IS NOT NULL",
        ),
        partial_index("job_held", "hold_until", where="state = 'pending' AND hold_until IS NOT NULL"),
        partial_index(
            "job_line_of_key",
            "type",
            "concurrency_key",
            "sort_key",
            "seq",
            where="state = 'pending' AND concurrency_key IS NOT NULL",
        ),
        partial_index(
            "job_front_of_key",
            "type",
            "concurrency_key",
            where="state = 'pending' AND concurrency_key IS NOT NULL AND (hold IS NULL OR hold = 'rate')",
        ),
        partial_index(
            "job_unique",
            "organization_id",
            "type",
            "unique_key",
            where="unique_held = 1",
            unique=True,
        ),
        partial_index("job_due", "run_at", "seq", where="state = 'scheduled'"),
        partial_index("job_lease", "lease_until", "seq", where="state = 'processing'"),
        partial_index("job_worker", "worker_id", where="state = 'processing'"),
        partial_index(
            "job_item",
            "batch_id",
            "item_key",
            where="batch_id IS NOT NULL AND item_key IS NOT NULL",
            unique=True,
        ),
        Index("job_state", "state", "seq"),
        partial_index("job_batch", "batch_id", "state", "seq", where="batch_id IS NOT NULL"),
        {"sqlite_strict": True, "sqlite_autoincrement": True},
    )

    seq: int = key()
    id: str = text_column()
    organization_id: str = column(TEXT, nullable=False, default="'default'")
    submitted_by: str | None = text_or_null()
    type: str = text_column()
    state: str = text_column()
    priority: str = text_column()
    sort_key: int = integer()
    run_at: int = integer()
    created_at: int = integer()
    started_at: int | None = integer_or_null()
    completed_at: int | None = integer_or_null()
    attempt: int = integer("0")
    max_attempts: int = integer()
    lost_count: int = integer("0")
    claim_seq: int = integer("0")
    worker_id: str | None = text_or_null()
    lease_until: int | None = integer_or_null()
    cancel_requested: int = integer("0")
    progress: float | None = real_or_null()
    message: str | None = text_or_null()
    batch_id: str | None = text_or_null()
    item_key: str | None = text_or_null()
    input_digest: str | None = text_or_null()
    instance_type: str = text_column()
    plugin_version: str | None = text_or_null()
    revision: str | None = text_or_null()
    wall_limit: float | None = real_or_null()
    memory_factor: float = column(REAL_NUMBER, nullable=False, default="1.0")
    overwrite: int = integer("0")
    output: str | None = text_or_null()
    processing_us: int | None = integer_or_null()
    cost_nanos: int = integer("0")
    error: str | None = text_or_null()
    result: str | None = text_or_null()
    manifest: str | None = text_or_null()
    settlement: str | None = text_or_null()
    payload: str = text_column()
    # Since 0002.
    unique_key: str | None = text_or_null()
    unique_until: int | None = integer_or_null()
    unique_held: int = integer("0")
    concurrency_key: str | None = text_or_null()
    concurrency_limit: int | None = integer_or_null()
    rate_limit: int | None = integer_or_null()
    rate_us: int | None = integer_or_null()
    hold: str | None = text_or_null()
    hold_until: int | None = integer_or_null()
    pause_requested: int = integer("0")
    waits_for: int = integer("0")
    dependents: int = integer("0")
    schedule: str | None = text_or_null()
    fire_at: int | None = integer_or_null()
    input_bytes: int | None = integer_or_null()
    trace_parent: str | None = text_or_null()
    error_class: str | None = text_or_null()


class AttemptRow(StoreTable, table=True):
    """One claim of a job and how it ended; ``claim_seq`` tells attempts of the same number apart."""

    __tablename__ = "attempt"
    __table_args__ = (
        PrimaryKeyConstraint("job_seq", "claim_seq", name="attempt_key"),
        CheckConstraint(
            "outcome IN ('completed', 'failed', 'cancelled', 'lost', 'released')",
            name="attempt_outcome_known",
        ),
        CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="attempt_ended_with_outcome"),
        {"sqlite_strict": True, "sqlite_with_rowid": False},
    )

    job_seq: int = column(
        INTEGER, ForeignKey("job.seq", name="attempt_job", ondelete="CASCADE"), nullable=False
    )
    claim_seq: int = integer()
    number: int = integer()
    worker_id: str = text_column()
    started_at: int = integer()
    ended_at: int | None = integer_or_null()
    outcome: str | None = text_or_null()
    cost_nanos: int = integer("0")
    usage: str | None = text_or_null()
    error: str | None = text_or_null()
    log_path: str | None = text_or_null()
    # Since 0003.
    reserved_memory_bytes: int | None = integer_or_null()
    enforced_by: str | None = text_or_null()


class JobEventRow(StoreTable, table=True):
    """A transition of a job, written in the transaction of the transition. A ``seq`` is never used twice."""

    __tablename__ = "job_event"
    __table_args__ = (
        Index("job_event_of_job", "job_seq", "seq"),
        {"sqlite_strict": True, "sqlite_autoincrement": True},
    )

    seq: int = key()
    job_seq: int = column(
        INTEGER, ForeignKey("job.seq", name="job_event_job", ondelete="CASCADE"), nullable=False
    )
    at: int = integer()
    kind: str = text_column()
    state: str = text_column()
    data: str | None = text_or_null()


class LedgerRow(StoreTable, table=True):
    """What an attempt used and cost. Rows are only ever added, and outlive their jobs."""

    __tablename__ = "ledger"
    __table_args__ = (
        UniqueConstraint("job_seq", "claim_seq", name="ledger_once_per_claim"),
        Index("ledger_at", "at"),
        Index("ledger_of_type", "type", "seq"),
        {"sqlite_strict": True},
    )

    seq: int = key()
    at: int = integer()
    job_seq: int = integer()
    job_id: str = text_column()
    claim_seq: int = integer()
    attempt: int = integer()
    type: str = text_column()
    organization_id: str = text_column()
    submitted_by: str | None = text_or_null()
    batch_id: str | None = text_or_null()
    instance_type: str = text_column()
    outcome: str = text_column()
    wall_us: int = integer()
    cpu_us: int = integer()
    gpu_us: int = integer()
    peak_memory_bytes: int = integer()
    memory_method: str = text_column()
    bytes_in: int = integer()
    bytes_out: int = integer()
    complete: int = integer()
    cost_nanos: int = integer()
    input_bytes: int | None = integer_or_null()


class WorkerRow(StoreTable, table=True):
    """A supervisor process. Boot id, pid, start time and namespace tell whether it still lives."""

    __tablename__ = "worker"
    __table_args__: ClassVar[Any] = ({"sqlite_strict": True},)

    id: str = column(TEXT, primary_key=True, nullable=False)
    host: str = text_column()
    boot_id: str = text_column()
    pid: int = integer()
    pid_started: int = integer()
    pid_namespace: int = integer()
    types: str = text_column()
    lease_seconds: float = column(REAL_NUMBER, nullable=False)
    registered_at: int = integer()
    seen_at: int = integer()
    cpu_usage_percent: float | None = real_or_null()
    memory_usage_percent: float | None = real_or_null()
    # Since 0003.
    room: str | None = text_or_null()
