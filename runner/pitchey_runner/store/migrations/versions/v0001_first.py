"""The first schema: jobs, attempts, events, the ledger and workers; guards; views for people."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from pitchey_runner.store.migrations.first_views import POSTGRES_VIEWS, SQLITE_VIEWS
from pitchey_runner.store.sql.guards import guards

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INTEGER: Any = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_REAL: Any = sa.Double().with_variant(sa.REAL, "sqlite")
# Ordered by code points everywhere, as ids are searched for by their beginning.
_TEXT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

# Rows of jobs change several times and soon: room for the next version, and old ones cleared away early.
_STORAGE = (
    "ALTER TABLE job SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0)",
    "ALTER TABLE attempt SET (fillfactor = 70)",
)


def upgrade() -> None:
    _create_job()
    _create_attempt()
    _create_event()
    _create_ledger()
    _create_worker()
    bind = op.get_bind()
    on_sqlite = bind.dialect.name == "sqlite"
    for statement in (*guards(bind.dialect.name), *(SQLITE_VIEWS if on_sqlite else POSTGRES_VIEWS)):
        bind.exec_driver_sql(statement)
    if not on_sqlite:
        for statement in _STORAGE:
            bind.exec_driver_sql(statement)


def _column(name: str, kind: Any, default: str | None = None, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null, server_default=None if default is None else sa.text(default))


def _partial(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "job", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _create_job() -> None:
    op.create_table(
        "job",
        _column("seq", _INTEGER),
        _column("id", _TEXT),
        _column("organization_id", _TEXT, "'default'"),
        _column("submitted_by", _TEXT, null=True),
        _column("type", _TEXT),
        _column("state", _TEXT),
        _column("priority", _TEXT),
        _column("sort_key", _INTEGER),
        _column("run_at", _INTEGER),
        _column("created_at", _INTEGER),
        _column("started_at", _INTEGER, null=True),
        _column("completed_at", _INTEGER, null=True),
        _column("attempt", _INTEGER, "0"),
        _column("max_attempts", _INTEGER),
        _column("lost_count", _INTEGER, "0"),
        _column("claim_seq", _INTEGER, "0"),
        _column("worker_id", _TEXT, null=True),
        _column("lease_until", _INTEGER, null=True),
        _column("cancel_requested", _INTEGER, "0"),
        _column("progress", _REAL, null=True),
        _column("message", _TEXT, null=True),
        _column("batch_id", _TEXT, null=True),
        _column("item_key", _TEXT, null=True),
        _column("input_digest", _TEXT, null=True),
        _column("instance_type", _TEXT),
        _column("plugin_version", _TEXT, null=True),
        _column("revision", _TEXT, null=True),
        _column("wall_limit", _REAL, null=True),
        _column("memory_factor", _REAL, "1.0"),
        _column("overwrite", _INTEGER, "0"),
        _column("output", _TEXT, null=True),
        _column("processing_us", _INTEGER, null=True),
        _column("cost_nanos", _INTEGER, "0"),
        _column("error", _TEXT, null=True),
        _column("result", _TEXT, null=True),
        _column("manifest", _TEXT, null=True),
        _column("settlement", _TEXT, null=True),
        _column("payload", _TEXT),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id", name="job_id_unique"),
        sa.CheckConstraint(
            "state IN ('scheduled', 'blocked', 'pending', 'processing', 'completed', 'failed', 'cancelled')",
            name="job_state_known",
        ),
        sa.CheckConstraint("priority IN ('high', 'medium', 'low')", name="job_priority_known"),
        sa.CheckConstraint("max_attempts >= 1", name="job_attempts_allowed"),
        sa.CheckConstraint("attempt >= 0", name="job_attempt_counted"),
        sa.CheckConstraint(
            "(state = 'processing') = (lease_until IS NOT NULL)"
            " AND (state <> 'processing' OR worker_id IS NOT NULL)",
            name="job_leased_while_processing",
        ),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    _partial("job_ready", ["type", "sort_key", "seq"], "state = 'pending'")
    _partial(
        "job_ready_of_batch",
        ["batch_id", "type", "sort_key", "seq"],
        "state = 'pending' AND batch_id IS NOT NULL",
    )
    _partial("job_due", ["run_at", "seq"], "state = 'scheduled'")
    _partial("job_lease", ["lease_until", "seq"], "state = 'processing'")
    _partial("job_worker", ["worker_id"], "state = 'processing'")
    _partial(
        "job_item", ["batch_id", "item_key"], "batch_id IS NOT NULL AND item_key IS NOT NULL", unique=True
    )
    op.create_index("job_state", "job", ["state", "seq"])
    _partial("job_batch", ["batch_id", "state", "seq"], "batch_id IS NOT NULL")


def _create_attempt() -> None:
    op.create_table(
        "attempt",
        _column("job_seq", _INTEGER),
        _column("claim_seq", _INTEGER),
        _column("number", _INTEGER),
        _column("worker_id", _TEXT),
        _column("started_at", _INTEGER),
        _column("ended_at", _INTEGER, null=True),
        _column("outcome", _TEXT, null=True),
        _column("cost_nanos", _INTEGER, "0"),
        _column("usage", _TEXT, null=True),
        _column("error", _TEXT, null=True),
        _column("log_path", _TEXT, null=True),
        sa.PrimaryKeyConstraint("job_seq", "claim_seq", name="attempt_key"),
        sa.CheckConstraint(
            "outcome IN ('completed', 'failed', 'cancelled', 'lost', 'released')",
            name="attempt_outcome_known",
        ),
        sa.CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="attempt_ended_with_outcome"),
        sa.ForeignKeyConstraint(["job_seq"], ["job.seq"], name="attempt_job", ondelete="CASCADE"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _create_event() -> None:
    op.create_table(
        "job_event",
        _column("seq", _INTEGER),
        _column("job_seq", _INTEGER),
        _column("at", _INTEGER),
        _column("kind", _TEXT),
        _column("state", _TEXT),
        _column("data", _TEXT, null=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.ForeignKeyConstraint(["job_seq"], ["job.seq"], name="job_event_job", ondelete="CASCADE"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("job_event_of_job", "job_event", ["job_seq", "seq"])


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        _column("seq", _INTEGER),
        _column("at", _INTEGER),
        _column("job_seq", _INTEGER),
        _column("job_id", _TEXT),
        _column("claim_seq", _INTEGER),
        _column("attempt", _INTEGER),
        _column("type", _TEXT),
        _column("organization_id", _TEXT),
        _column("submitted_by", _TEXT, null=True),
        _column("batch_id", _TEXT, null=True),
        _column("instance_type", _TEXT),
        _column("outcome", _TEXT),
        _column("wall_us", _INTEGER),
        _column("cpu_us", _INTEGER),
        _column("gpu_us", _INTEGER),
        _column("peak_memory_bytes", _INTEGER),
        _column("memory_method", _TEXT),
        _column("bytes_in", _INTEGER),
        _column("bytes_out", _INTEGER),
        _column("complete", _INTEGER),
        _column("cost_nanos", _INTEGER),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("job_seq", "claim_seq", name="ledger_once_per_claim"),
        sqlite_strict=True,
    )
    op.create_index("ledger_at", "ledger", ["at"])


def _create_worker() -> None:
    op.create_table(
        "worker",
        _column("id", _TEXT),
        _column("host", _TEXT),
        _column("boot_id", _TEXT),
        _column("pid", _INTEGER),
        _column("pid_started", _INTEGER),
        _column("pid_namespace", _INTEGER),
        _column("types", _TEXT),
        _column("lease_seconds", _REAL),
        _column("registered_at", _INTEGER),
        _column("seen_at", _INTEGER),
        _column("cpu_usage_percent", _REAL, null=True),
        _column("memory_usage_percent", _REAL, null=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
