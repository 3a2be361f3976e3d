"""The views of the first schema, for people with a SQL prompt: the same columns on both databases."""

from __future__ import annotations

__all__ = ["POSTGRES_VIEWS", "SQLITE_VIEWS"]

SQLITE_VIEWS = (
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

POSTGRES_VIEWS = (
    """
    CREATE VIEW worker_dashboard AS
    SELECT worker.id,
           (SELECT string_agg(name, ', ' ORDER BY place)
              FROM json_array_elements_text(worker.types::json) WITH ORDINALITY AS type (name, place))
               AS worker_type,
           (SELECT string_agg(DISTINCT job.instance_type, ',') FROM job
             WHERE job.state = 'processing' AND job.worker_id = worker.id) AS instance_type,
           CASE WHEN extract(epoch FROM clock_timestamp()) * 1000000
                     > worker.seen_at + worker.lease_seconds * 1000000
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
           date_trunc('second', to_timestamp(worker.registered_at / 1000000)) AS registered_at,
           date_trunc('second', to_timestamp(worker.seen_at / 1000000)) AS seen_at
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
           (avg(processing_us) FILTER (WHERE state = 'completed'))::double precision / 1e6
               AS avg_processing_seconds,
           (max(processing_us) FILTER (WHERE state = 'completed'))::double precision / 1e6
               AS max_processing_seconds,
           avg(started_at - created_at)::double precision / 1e6 AS avg_seconds_to_last_start,
           sum(greatest(attempt - 1, 0))::bigint AS retries,
           sum(lost_count)::bigint AS lost_attempts
      FROM job
     GROUP BY type
    """,
    """
    CREATE VIEW cost_analysis AS
    SELECT (to_timestamp(at / 1000000) AT TIME ZONE 'UTC')::date AS day,
           type AS job_type,
           count(DISTINCT job_seq) AS jobs,
           count(*) AS attempts,
           count(*) FILTER (WHERE outcome <> 'completed') AS attempts_without_result,
           sum(wall_us)::double precision / 1e6 AS wall_seconds,
           sum(cpu_us)::double precision / 1e6 AS cpu_seconds,
           sum(cost_nanos)::bigint AS cost_nanos,
           round(sum(cost_nanos) / 1000000000.0, 9) AS estimated_cost_usd
      FROM ledger
     GROUP BY day, job_type
    """,
)
