"""The first schema: jobs, attempts, events, the ledger and workers; guards; views for people."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from pitchey_runner.store.sql.guards import guards

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INTEGER: Any = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_REAL: Any = sa.Double().with_variant(sa.REAL, "sqlite")


def upgrade() -> None:
    _create_job()
    _create_attempt()
    _create_event()
    _create_ledger()
    _create_worker()
    bind = op.get_bind()
    for statement in (*guards(bind.dialect.name), *_VIEWS):
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
        _column("id", sa.Text),
        _column("organization_id", sa.Text, "'default'"),
        _column("submitted_by", sa.Text, null=True),
        _column("type", sa.Text),
        _column("state", sa.Text),
        _column("priority", sa.Text),
        _column("sort_key", _INTEGER),
        _column("run_at", _INTEGER),
        _column("created_at", _INTEGER),
        _column("started_at", _INTEGER, null=True),
        _column("completed_at", _INTEGER, null=True),
        _column("attempt", _INTEGER, "0"),
        _column("max_attempts", _INTEGER),
        _column("lost_count", _INTEGER, "0"),
        _column("claim_seq", _INTEGER, "0"),
        _column("worker_id", sa.Text, null=True),
        _column("lease_until", _INTEGER, null=True),
        _column("cancel_requested", _INTEGER, "0"),
        _column("progress", _REAL, null=True),
        _column("message", sa.Text, null=True),
        _column("batch_id", sa.Text, null=True),
        _column("item_key", sa.Text, null=True),
        _column("input_digest", sa.Text, null=True),
        _column("instance_type", sa.Text),
        _column("plugin_version", sa.Text, null=True),
        _column("revision", sa.Text, null=True),
        _column("wall_limit", _REAL, null=True),
        _column("memory_factor", _REAL, "1.0"),
        _column("overwrite", _INTEGER, "0"),
        _column("output", sa.Text, null=True),
        _column("processing_us", _INTEGER, null=True),
        _column("cost_nanos", _INTEGER, "0"),
        _column("error", sa.Text, null=True),
        _column("result", sa.Text, null=True),
        _column("manifest", sa.Text, null=True),
        _column("settlement", sa.Text, null=True),
        _column("payload", sa.Text),
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
        _column("worker_id", sa.Text),
        _column("started_at", _INTEGER),
        _column("ended_at", _INTEGER, null=True),
        _column("outcome", sa.Text, null=True),
        _column("cost_nanos", _INTEGER, "0"),
        _column("usage", sa.Text, null=True),
        _column("error", sa.Text, null=True),
        _column("log_path", sa.Text, null=True),
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
        _column("kind", sa.Text),
        _column("state", sa.Text),
        _column("data", sa.Text, null=True),
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
        _column("job_id", sa.Text),
        _column("claim_seq", _INTEGER),
        _column("attempt", _INTEGER),
        _column("type", sa.Text),
        _column("organization_id", sa.Text),
        _column("submitted_by", sa.Text, null=True),
        _column("batch_id", sa.Text, null=True),
        _column("instance_type", sa.Text),
        _column("outcome", sa.Text),
        _column("wall_us", _INTEGER),
        _column("cpu_us", _INTEGER),
        _column("gpu_us", _INTEGER),
        _column("peak_memory_bytes", _INTEGER),
        _column("memory_method", sa.Text),
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
        _column("id", sa.Text),
        _column("host", sa.Text),
        _column("boot_id", sa.Text),
        _column("pid", _INTEGER),
        _column("pid_started", _INTEGER),
        _column("pid_namespace", _INTEGER),
        _column("types", sa.Text),
        _column("lease_seconds", _REAL),
        _column("registered_at", _INTEGER),
        _column("seen_at", _INTEGER),
        _column("cpu_usage_percent", _REAL, null=True),
        _column("memory_usage_percent", _REAL, null=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )


_VIEWS = (
    """
    CREATE VIEW worker_dashboard AS
    SELECT worker.id,
           (SELECT group_concat(value, ', ') FROM json_each(worker.types)) AS worker_type,
           (SELECT group_concat(DISTINCT job.instance_type) FROM job
             WHERE job.state = 'processing' AND job.worker_id = worker.id) AS instance_type,
           CASE WHEN strftime('%s', 'now') * 1000000 > worker.seen_at + worker.lease_seconds * 1000000
                THEN 'lost'
                WHEN EXISTS (SELECT 1 FROM job
                              WHERE job.state = 'processing' AND job.worker_id = worker.id) THEN 'busy'
                ELSE 'idle' END AS status,
           worker.cpu_usage_percent,
           worker.memory_usage_percent,
           (SELECT count(*) FROM job
             WHERE job.state = 'processing' AND job.worker_id = worker.id) AS active_jobs_count,
           worker.host,
           worker.pid,
           datetime(worker.registered_at / 1000000, 'unixepoch') AS registered_at,
           datetime(worker.seen_at / 1000000, 'unixepoch') AS seen_at
      FROM worker
    """,
    """
    CREATE VIEW job_performance_metrics AS
    SELECT type AS job_type,
           count(*) AS total_jobs,
           count(*) FILTER (WHERE state IN ('scheduled', 'blocked', 'pending')) AS waiting_jobs,
           count(*) FILTER (WHERE state = 'processing') AS processing_jobs,
           count(*) FILTER (WHERE state = 'completed') AS completed_jobs,
           count(*) FILTER (WHERE state = 'failed') AS failed_jobs,
           count(*) FILTER (WHERE state = 'cancelled') AS cancelled_jobs,
           round(100.0 * count(*) FILTER (WHERE state = 'completed')
                 / nullif(count(*) FILTER (WHERE state IN ('completed', 'failed')), 0), 2)
               AS success_rate_percent,
           avg(processing_us) FILTER (WHERE state = 'completed') / 1e6 AS avg_processing_seconds,
           max(processing_us) FILTER (WHERE state = 'completed') / 1e6 AS max_processing_seconds,
           avg(started_at - created_at) / 1e6 AS avg_seconds_to_last_start,
           sum(max(attempt - 1, 0)) AS retries,
           sum(lost_count) AS lost_attempts
      FROM job
     GROUP BY type
    """,
    """
    CREATE VIEW cost_analysis AS
    SELECT date(at / 1000000, 'unixepoch') AS day,
           type AS job_type,
           count(DISTINCT job_seq) AS jobs,
           count(*) AS attempts,
           count(*) FILTER (WHERE outcome <> 'completed') AS attempts_without_result,
           sum(wall_us) / 1e6 AS wall_seconds,
           sum(cpu_us) / 1e6 AS cpu_seconds,
           sum(cost_nanos) AS cost_nanos,
           printf('%d.%09d', sum(cost_nanos) / 1000000000, sum(cost_nanos) % 1000000000) AS estimated_cost_usd
      FROM ledger
     GROUP BY day, job_type
    """,
)
