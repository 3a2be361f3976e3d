"""The tables beside those of jobs: dependencies, queues, schedules, budgets."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, UniqueConstraint

from pitchey_runner.store.columns import (
    INTEGER,
    TEXT,
    StoreTable,
    column,
    integer,
    integer_or_null,
    key,
    text_column,
    text_or_null,
)

__all__ = [
    "BudgetEventRow",
    "BudgetRow",
    "BudgetSpendingRow",
    "JobDependencyRow",
    "QueueRow",
    "RateBucketRow",
    "ScheduleRow",
]

_STRICT: Any = {"sqlite_strict": True}


class JobDependencyRow(StoreTable, table=True):
    """A job waits for another; ``met``: no longer. The one waited for is always the older of the two."""

    __tablename__ = "job_dependency"
    __table_args__ = (
        PrimaryKeyConstraint("job_seq", "parent_seq", name="job_dependency_key"),
        CheckConstraint("parent_seq < job_seq", name="job_dependency_on_older"),
        CheckConstraint("on_failure IN ('cancel', 'run', 'hold')", name="job_dependency_on_failure_known"),
        Index("job_dependency_of_parent", "parent_seq"),
        {"sqlite_strict": True, "sqlite_with_rowid": False},
    )

    job_seq: int = column(
        INTEGER, ForeignKey("job.seq", name="job_dependency_job", ondelete="CASCADE"), nullable=False
    )
    parent_seq: int = column(
        INTEGER, ForeignKey("job.seq", name="job_dependency_parent", ondelete="CASCADE"), nullable=False
    )
    on_failure: str = text_column()
    met: int = integer("0")


class QueueRow(StoreTable, table=True):
    """A queue that was paused or limited; ``*`` stands for all."""

    __tablename__ = "queue"
    __table_args__: ClassVar[Any] = (_STRICT,)

    name: str = column(TEXT, primary_key=True, nullable=False)
    paused: int = integer("0")
    max_running: int | None = integer_or_null()
    rate_limit: int | None = integer_or_null()
    rate_us: int | None = integer_or_null()
    max_slots: int | None = integer_or_null()


class RateBucketRow(StoreTable, table=True):
    """Of a rate: when its bucket would be full again. A row that lies in the past says nothing."""

    __tablename__ = "rate_bucket"
    __table_args__: ClassVar[Any] = (_STRICT,)

    name: str = column(TEXT, primary_key=True, nullable=False)
    full_at: int = integer()


class ScheduleRow(StoreTable, table=True):
    """Jobs that are enqueued by the clock; ``template`` is one of them."""

    __tablename__ = "schedule"
    __table_args__: ClassVar[Any] = (_STRICT,)

    name: str = column(TEXT, primary_key=True, nullable=False)
    cron: str = text_column()
    timezone: str = text_column()
    missed: str = text_column()
    enabled: int = integer("1")
    template: str = text_column()
    created_at: int = integer()
    next_fire_at: int = integer()
    last_fire_at: int | None = integer_or_null()
    last_job_id: str | None = text_or_null()


class BudgetRow(StoreTable, table=True):
    """How much may be spent."""

    __tablename__ = "budget"
    __table_args__: ClassVar[Any] = (_STRICT,)

    name: str = column(TEXT, primary_key=True, nullable=False)
    scope: str = text_column()
    target: str = text_column()
    period: str = text_column()
    limit_nanos: int = integer()
    action: str = text_column()


class BudgetSpendingRow(StoreTable, table=True):
    """The sum of the ledger over a budget's period, kept in the transactions that add to the ledger."""

    __tablename__ = "budget_spending"
    __table_args__ = (
        PrimaryKeyConstraint("budget", "period_start", name="budget_spending_key"),
        _STRICT,
    )

    budget: str = text_column()
    period_start: int = integer()
    spent_nanos: int = integer()


class BudgetEventRow(StoreTable, table=True):
    """A budget has reached a threshold: once in a period."""

    __tablename__ = "budget_event"
    __table_args__ = (
        UniqueConstraint("budget", "period_start", "threshold", name="budget_event_once"),
        {"sqlite_strict": True, "sqlite_autoincrement": True},
    )

    seq: int = key()
    budget: str = text_column()
    period_start: int = integer()
    threshold: int = integer()
    at: int = integer()
    spent_nanos: int = integer()
    limit_nanos: int = integer()
    job_id: str | None = text_or_null()
