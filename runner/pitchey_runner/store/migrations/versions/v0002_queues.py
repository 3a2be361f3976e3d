"""Queues with limits, dependencies, schedules, budgets; what estimates are learned from."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from pitchey_runner.store.sql.guards import drop_transition_guard, transition_guard

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INTEGER: Any = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TEXT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _extend_job()
    op.add_column("ledger", _column("input_bytes", _INTEGER, null=True))
    op.create_index("ledger_of_type", "ledger", ["type", "seq"])
    _create_dependency()
    _create_queue()
    _create_schedule()
    _create_budget()
    bind = op.get_bind()
    for statement in (*drop_transition_guard(bind.dialect.name), *transition_guard(bind.dialect.name)):
        bind.exec_driver_sql(statement)


def _column(name: str, kind: Any, default: str | None = None, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null, server_default=None if default is None else sa.text(default))


def _partial(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "job", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _extend_job() -> None:
    for added in (
        _column("unique_key", _TEXT, null=True),
        _column("unique_until", _INTEGER, null=True),
        _column("unique_held", _INTEGER, "0"),
        _column("concurrency_key", _TEXT, null=True),
        _column("concurrency_limit", _INTEGER, null=True),
        _column("rate_limit", _INTEGER, null=True),
        _column("rate_us", _INTEGER, null=True),
        _column("hold", _TEXT, null=True),
        _column("hold_until", _INTEGER, null=True),
        _column("pause_requested", _INTEGER, "0"),
        _column("waits_for", _INTEGER, "0"),
        _column("dependents", _INTEGER, "0"),
        _column("schedule", _TEXT, null=True),
        _column("fire_at", _INTEGER, null=True),
        _column("input_bytes", _INTEGER, null=True),
        _column("trace_parent", _TEXT, null=True),
        _column("error_class", _TEXT, null=True),
    ):
        op.add_column("job", added)
    op.drop_index("job_ready", "job")
    op.drop_index("job_ready_of_batch", "job")
    _partial("job_ready", ["type", "sort_key", "seq"], "state = 'pending' AND hold IS NULL")
    _partial(
        "job_ready_of_batch",
        ["batch_id", "type", "sort_key", "seq"],
        "state = 'pending' AND hold IS NULL AND batch_id IS NOT NULL",
    )
    _partial("job_held", ["hold_until"], "state = 'pending' AND hold_until IS NOT NULL")
    _partial(
        "job_line_of_key",
        ["type", "concurrency_key", "sort_key", "seq"],
        "state = 'pending' AND concurrency_key IS NOT NULL",
    )
    _partial(
        "job_front_of_key",
        ["type", "concurrency_key"],
        "state = 'pending' AND concurrency_key IS NOT NULL AND (hold IS NULL OR hold = 'rate')",
    )
    _partial(
        "job_running_of_key",
        ["type", "concurrency_key"],
        "state = 'processing' AND concurrency_key IS NOT NULL",
    )
    _partial("job_unique", ["organization_id", "type", "unique_key"], "unique_held = 1", unique=True)


def _create_dependency() -> None:
    op.create_table(
        "job_dependency",
        _column("job_seq", _INTEGER),
        _column("parent_seq", _INTEGER),
        _column("on_failure", _TEXT),
        _column("met", _INTEGER, "0"),
        sa.PrimaryKeyConstraint("job_seq", "parent_seq", name="job_dependency_key"),
        sa.CheckConstraint("parent_seq < job_seq", name="job_dependency_on_older"),
        sa.CheckConstraint("on_failure IN ('cancel', 'run', 'hold')", name="job_dependency_on_failure_known"),
        sa.ForeignKeyConstraint(["job_seq"], ["job.seq"], name="job_dependency_job", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["parent_seq"], ["job.seq"], name="job_dependency_parent", ondelete="CASCADE"
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("job_dependency_of_parent", "job_dependency", ["parent_seq"])


def _create_queue() -> None:
    op.create_table(
        "queue",
        _column("name", _TEXT),
        _column("paused", _INTEGER, "0"),
        _column("max_running", _INTEGER, null=True),
        _column("rate_limit", _INTEGER, null=True),
        _column("rate_us", _INTEGER, null=True),
        _column("max_slots", _INTEGER, null=True),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )
    op.create_table(
        "rate_bucket",
        _column("name", _TEXT),
        _column("full_at", _INTEGER),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )


def _create_schedule() -> None:
    op.create_table(
        "schedule",
        _column("name", _TEXT),
        _column("cron", _TEXT),
        _column("timezone", _TEXT),
        _column("missed", _TEXT),
        _column("enabled", _INTEGER, "1"),
        _column("template", _TEXT),
        _column("created_at", _INTEGER),
        _column("next_fire_at", _INTEGER),
        _column("last_fire_at", _INTEGER, null=True),
        _column("last_job_id", _TEXT, null=True),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )


def _create_budget() -> None:
    op.create_table(
        "budget",
        _column("name", _TEXT),
        _column("scope", _TEXT),
        _column("target", _TEXT),
        _column("period", _TEXT),
        _column("limit_nanos", _INTEGER),
        _column("action", _TEXT),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )
    op.create_table(
        "budget_spending",
        _column("budget", _TEXT),
        _column("period_start", _INTEGER),
        _column("spent_nanos", _INTEGER),
        sa.PrimaryKeyConstraint("budget", "period_start", name="budget_spending_key"),
        sqlite_strict=True,
    )
    op.create_table(
        "budget_event",
        _column("seq", _INTEGER),
        _column("budget", _TEXT),
        _column("period_start", _INTEGER),
        _column("threshold", _INTEGER),
        _column("at", _INTEGER),
        _column("spent_nanos", _INTEGER),
        _column("limit_nanos", _INTEGER),
        _column("job_id", _TEXT, null=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("budget", "period_start", "threshold", name="budget_event_once"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
