"""The tables of the store, as SQLModel declares them: the reference that migrations are compared with.

Times are integer microseconds since 1970 UTC, money is integer nano-dollars, JSON is text. Nothing on the way
of a running job imports this module (it costs 300 ms); the drivers' statements are plain SQL.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import REAL
from sqlmodel import Field, SQLModel

__all__ = ["AttemptRow", "JobEventRow", "JobRow", "LedgerRow", "StoreTable", "WorkerRow"]

_INTEGER: Any = BigInteger().with_variant(Integer, "sqlite")
_REAL: Any = Double().with_variant(REAL, "sqlite")
_TEXT: Any = Text().with_variant(Text(collation="C"), "postgresql")


def _column(kind: Any, *constraints: Any, default: str | None = None, **options: Any) -> Any:
    server_default = None if default is None else text(default)
    return Field(sa_column=Column(kind, *constraints, server_default=server_default, **options))


def _key() -> Any:
    return _column(_INTEGER, primary_key=True, nullable=False)


def _text() -> Any:
    return _column(_TEXT, nullable=False)


def _text_or_null() -> Any:
    return _column(_TEXT, nullable=True)


def _integer(default: str | None = None) -> Any:
    return _column(_INTEGER, nullable=False, default=default)


def _integer_or_null() -> Any:
    return _column(_INTEGER, nullable=True)


def _real_or_null() -> Any:
    return _column(_REAL, nullable=True)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


class StoreTable(SQLModel):
    """Base of the store's tables. It has metadata of its own, so a host program's tables stay out of it."""

    metadata: ClassVar[MetaData] = MetaData()


class JobRow(StoreTable, table=True):
    """A job. ``sort_key`` is the due time less the head start of its priority: the order of the line.

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
        _partial("job_ready", "type", "sort_key", "seq", where="state = 'pending'"),
        _partial(
            "job_ready_of_batch",
            "batch_id",
            "type",
            "sort_key",
            "seq",
            where="state = 'pending' AND batch_id IS NOT NULL",
        ),
        _partial("job_due", "run_at", "seq", where="state = 'scheduled'"),
        _partial("job_lease", "lease_until", "seq", where="state = 'processing'"),
        _partial("job_worker", "worker_id", where="state = 'processing'"),
        _partial(
            "job_item",
            "batch_id",
            "item_key",
            where="batch_id IS NOT NULL AND item_key IS NOT NULL",
            unique=True,
        ),
        Index("job_state", "state", "seq"),
        _partial("job_batch", "batch_id", "state", "seq", where="batch_id IS NOT NULL"),
        {"sqlite_strict": True, "sqlite_autoincrement": True},
    )

    seq: int = _key()
    id: str = _text()
    organization_id: str = _column(_TEXT, nullable=False, default="'default'")
    submitted_by: str | None = _text_or_null()
    type: str = _text()
    state: str = _text()
    priority: str = _text()
    sort_key: int = _integer()
    run_at: int = _integer()
    created_at: int = _integer()
    started_at: int | None = _integer_or_null()
    completed_at: int | None = _integer_or_null()
    attempt: int = _integer("0")
    max_attempts: int = _integer()
    lost_count: int = _integer("0")
    claim_seq: int = _integer("0")
    worker_id: str | None = _text_or_null()
    lease_until: int | None = _integer_or_null()
    cancel_requested: int = _integer("0")
    progress: float | None = _real_or_null()
    message: str | None = _text_or_null()
    batch_id: str | None = _text_or_null()
    item_key: str | None = _text_or_null()
    input_digest: str | None = _text_or_null()
    instance_type: str = _text()
    plugin_version: str | None = _text_or_null()
    revision: str | None = _text_or_null()
    wall_limit: float | None = _real_or_null()
    memory_factor: float = _column(_REAL, nullable=False, default="1.0")
    overwrite: int = _integer("0")
    output: str | None = _text_or_null()
    processing_us: int | None = _integer_or_null()
    cost_nanos: int = _integer("0")
    error: str | None = _text_or_null()
    result: str | None = _text_or_null()
    manifest: str | None = _text_or_null()
    settlement: str | None = _text_or_null()
    payload: str = _text()


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

    job_seq: int = _column(
        _INTEGER, ForeignKey("job.seq", name="attempt_job", ondelete="CASCADE"), nullable=False
    )
    claim_seq: int = _integer()
    number: int = _integer()
    worker_id: str = _text()
    started_at: int = _integer()
    ended_at: int | None = _integer_or_null()
    outcome: str | None = _text_or_null()
    cost_nanos: int = _integer("0")
    usage: str | None = _text_or_null()
    error: str | None = _text_or_null()
    log_path: str | None = _text_or_null()


class JobEventRow(StoreTable, table=True):
    """A transition of a job, written in the transaction of the transition. A ``seq`` is never used twice."""

    __tablename__ = "job_event"
    __table_args__ = (
        Index("job_event_of_job", "job_seq", "seq"),
        {"sqlite_strict": True, "sqlite_autoincrement": True},
    )

    seq: int = _key()
    job_seq: int = _column(
        _INTEGER, ForeignKey("job.seq", name="job_event_job", ondelete="CASCADE"), nullable=False
    )
    at: int = _integer()
    kind: str = _text()
    state: str = _text()
    data: str | None = _text_or_null()


class LedgerRow(StoreTable, table=True):
    """What an attempt used and cost. Rows are only ever added, and outlive their jobs."""

    __tablename__ = "ledger"
    __table_args__ = (
        UniqueConstraint("job_seq", "claim_seq", name="ledger_once_per_claim"),
        Index("ledger_at", "at"),
        {"sqlite_strict": True},
    )

    seq: int = _key()
    at: int = _integer()
    job_seq: int = _integer()
    job_id: str = _text()
    claim_seq: int = _integer()
    attempt: int = _integer()
    type: str = _text()
    organization_id: str = _text()
    submitted_by: str | None = _text_or_null()
    batch_id: str | None = _text_or_null()
    instance_type: str = _text()
    outcome: str = _text()
    wall_us: int = _integer()
    cpu_us: int = _integer()
    gpu_us: int = _integer()
    peak_memory_bytes: int = _integer()
    memory_method: str = _text()
    bytes_in: int = _integer()
    bytes_out: int = _integer()
    complete: int = _integer()
    cost_nanos: int = _integer()


class WorkerRow(StoreTable, table=True):
    """A supervisor process. Boot id, pid, start time and namespace tell whether it still lives."""

    __tablename__ = "worker"
    __table_args__: ClassVar[Any] = ({"sqlite_strict": True},)

    id: str = _column(_TEXT, primary_key=True, nullable=False)
    host: str = _text()
    boot_id: str = _text()
    pid: int = _integer()
    pid_started: int = _integer()
    pid_namespace: int = _integer()
    types: str = _text()
    lease_seconds: float = _column(_REAL, nullable=False)
    registered_at: int = _integer()
    seen_at: int = _integer()
    cpu_usage_percent: float | None = _real_or_null()
    memory_usage_percent: float | None = _real_or_null()
