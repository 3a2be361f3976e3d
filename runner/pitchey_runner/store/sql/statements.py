"""The statements of every transaction. Bound values are named; ``now`` is the store's clock in microseconds.

A partial index serves only a statement that names its state as a literal, so states are spelled out here; and
INDEXED BY keeps SQLite from preferring ``job_state``, which lists the same jobs in another order. TAKE marks the choice
of rows that the transaction will change: where writers are not serial, it locks them and skips what others have locked.
Each write of a worker names ``id``, ``claim_seq`` and ``state = 'processing'``: that is the fence.
"""

from __future__ import annotations

_INSERT_JOB = """
INSERT INTO job (seq, id, organization_id, submitted_by, type, state, priority, sort_key, run_at, created_at,
                 started_at, attempt, max_attempts, claim_seq, worker_id, lease_until, batch_id, item_key,
                 input_digest, input_bytes, instance_type, plugin_version, wall_limit, overwrite, output,
                 trace_parent, payload{columns})
VALUES (:seq, :id, :organization_id, :submitted_by, :type, :state, :priority, :sort_key, :run_at, :now,
        :started_at, :attempt, :max_attempts, :claim_seq, :worker_id, :lease_until, :batch_id, :item_key,
        :input_digest, :input_bytes, :instance_type, :plugin_version, :wall_limit, :overwrite, :output,
        :trace_parent, :payload{values})
"""
INSERT_JOB = _INSERT_JOB.format(columns="", values="")
# One that may collide with another, by its item or its unique key, or on whose place more than its time has a say.
INSERT_SPECIAL_JOB = (
    _INSERT_JOB.format(
        columns=""",
                 unique_key, unique_until, unique_held, concurrency_key, concurrency_limit, rate_limit, rate_us,
                 hold, waits_for, schedule, fire_at""",
        values=""",
        :unique_key, :unique_until, :unique_held, :concurrency_key, :concurrency_limit, :rate_limit, :rate_us,
        :hold, :waits_for, :schedule, :fire_at""",
    )
    + "ON CONFLICT DO NOTHING"
)

INSERT_EVENT = (
    "INSERT INTO job_event (job_seq, at, kind, state, data) VALUES (:job_seq, :now, :kind, :state, :data)"
)

INSERT_ATTEMPT = """
INSERT INTO attempt (job_seq, claim_seq, number, worker_id, started_at)
VALUES (:seq, :claim_seq, :number, :worker_id, :now)
"""

CLOSE_ATTEMPT = """
UPDATE attempt
   SET ended_at = :now, outcome = :outcome, error = :error, usage = :usage, cost_nanos = :cost_nanos,
       log_path = :log_path, enforced_by = coalesce(:enforced_by, enforced_by),
       reserved_memory_bytes = coalesce(:reserved_memory_bytes, reserved_memory_bytes)
 WHERE job_seq = :seq AND claim_seq = :claim_seq
"""

INSERT_LEDGER = """
INSERT INTO ledger (at, job_seq, job_id, claim_seq, attempt, type, organization_id, submitted_by, batch_id,
                    instance_type, outcome, wall_us, cpu_us, gpu_us, peak_memory_bytes, memory_method,
                    bytes_in, bytes_out, complete, cost_nanos, input_bytes)
VALUES (:now, :seq, :id, :claim_seq, :attempt, :type, :organization_id, :submitted_by, :batch_id,
        :instance_type, :outcome, :wall_us, :cpu_us, :gpu_us, :peak_memory_bytes, :memory_method, :bytes_in,
        :bytes_out, :complete, :cost_nanos, :input_bytes)
"""

# -- producers ------------------------------------------------------------------------------------

# A job without a time for its unique key has it until it is finished.
FREE_KEY = "unique_held = CASE WHEN unique_until IS NULL THEN 0 ELSE unique_held END"
ENTER_LINE = """
       hold = CASE WHEN pause_requested = 1 THEN 'paused' WHEN concurrency_key IS NOT NULL THEN 'concurrency' END,
       hold_until = NULL"""

CANCEL_WAITING = f"""
UPDATE job
   SET state = 'cancelled', cancel_requested = 1, completed_at = :now, hold = NULL, hold_until = NULL, {FREE_KEY}
 WHERE id = :id AND state IN ('scheduled', 'blocked', 'pending') AND manifest IS NULL
RETURNING seq, id, state, type, concurrency_key, dependents
"""  # noqa: S608 - only constants

REQUEST_CANCEL = """
UPDATE job SET cancel_requested = 1
 WHERE id = :id AND state = 'processing' AND manifest IS NULL AND cancel_requested = 0
RETURNING seq
"""

RETRY = """
UPDATE job
   SET state = CASE WHEN :waits_for > 0 THEN 'blocked' ELSE 'pending' END, waits_for = :waits_for,
       run_at = :now, sort_key = sort_key + :now - run_at, started_at = NULL,
       completed_at = NULL, attempt = 0, lost_count = 0, worker_id = NULL, cancel_requested = 0,
       progress = NULL, message = NULL, processing_us = NULL, memory_factor = 1.0, error = NULL, result = NULL,
       error_class = NULL, pause_requested = 0, unique_held = :unique_held,
       hold = CASE WHEN concurrency_key IS NOT NULL AND :waits_for = 0 THEN 'concurrency' END
 WHERE id = :id AND state IN ('failed', 'cancelled')
RETURNING seq, state, type, concurrency_key
"""

ENDED_JOB = """
SELECT seq, id, organization_id, type, unique_key, unique_until, unique_held FROM job
 WHERE id = :id AND state IN ('failed', 'cancelled')
"""

_UNNEEDED = """
       (dependents = 0 OR NOT EXISTS (
            SELECT 1 FROM job_dependency JOIN job AS child ON child.seq = job_dependency.job_seq
             WHERE job_dependency.parent_seq = job.seq AND job_dependency.met = 0 AND child.state = 'blocked'))
"""
PURGE = f"""
DELETE FROM job WHERE id = :id AND state IN ('completed', 'failed', 'cancelled') AND {_UNNEEDED}
"""  # noqa: S608 - only constants

# The first enqueued are the first to be old; those behind the window wait for the next call.
PURGE_OLD = f"""
DELETE FROM job
 WHERE seq IN (
        SELECT seq FROM (
                SELECT seq, completed_at FROM job INDEXED BY job_state WHERE state = :state
                 ORDER BY seq LIMIT :window
               ) AS oldest
         WHERE completed_at <= :before ORDER BY seq LIMIT :limit
       )
   AND state = :state AND {_UNNEEDED}
"""  # noqa: S608 - only constants

STATE_OF = "SELECT state FROM job WHERE id = :id"

# -- workers --------------------------------------------------------------------------------------

REGISTER_WORKER = """
INSERT INTO worker (id, host, boot_id, pid, pid_started, pid_namespace, types, lease_seconds, registered_at,
                    seen_at)
VALUES (:id, :host, :boot_id, :pid, :pid_started, :pid_namespace, :types, :lease_seconds, :now, :now)
ON CONFLICT (id) DO UPDATE SET
    host = excluded.host, boot_id = excluded.boot_id, pid = excluded.pid, pid_started = excluded.pid_started,
    pid_namespace = excluded.pid_namespace, types = excluded.types, lease_seconds = excluded.lease_seconds,
    seen_at = excluded.seen_at
"""

WORKER_KNOWN = "SELECT 1 FROM worker WHERE id = :id"

REMOVE_WORKER = """
DELETE FROM worker
 WHERE id = :id AND NOT EXISTS (
    SELECT 1 FROM job INDEXED BY job_worker WHERE state = 'processing' AND worker_id = :id
 )
"""

SEE_WORKER = """
UPDATE worker
   SET seen_at = :now, cpu_usage_percent = coalesce(:cpu_percent, cpu_usage_percent),
       memory_usage_percent = coalesce(:memory_percent, memory_usage_percent), room = coalesce(:room, room)
 WHERE id = :worker_id
RETURNING lease_seconds
"""

WORKERS = """
SELECT worker.*, (SELECT count(*) FROM job INDEXED BY job_worker
                   WHERE job.state = 'processing' AND job.worker_id = worker.id) AS active_jobs_count
  FROM worker ORDER BY registered_at, id
"""

_CLAIM = """
UPDATE job
   SET state = 'processing', claim_seq = claim_seq + 1, attempt = attempt + 1, worker_id = :worker_id,
       lease_until = :lease_until, started_at = :now, progress = NULL, message = NULL
 WHERE seq IN ({ready}) AND state = 'pending'
RETURNING {columns}
"""
_CLAIMED = (
    "seq, sort_key, id, claim_seq, type, payload, priority, output, overwrite, attempt, max_attempts, instance_type,"
    " wall_limit, batch_id, lease_until, created_at, manifest, settlement, memory_factor, lost_count, pause_requested,"
    " trace_parent"
)

# Jobs with a key are claimed only by those who count (see ``lines``).
_READY = """
SELECT seq FROM job INDEXED BY job_ready
 WHERE state = 'pending' AND hold IS NULL AND type = :type AND concurrency_key IS NULL
 ORDER BY sort_key, seq LIMIT :limit /* TAKE */
"""
_READY_OF_BATCH = """
SELECT seq FROM job INDEXED BY job_ready_of_batch
 WHERE state = 'pending' AND hold IS NULL AND batch_id = :batch_id AND type = :type
   AND concurrency_key IS NULL
 ORDER BY sort_key, seq LIMIT :limit /* TAKE */
"""
CLAIM = _CLAIM.format(ready=_READY, columns=_CLAIMED)
CLAIM_OF_BATCH = _CLAIM.format(ready=_READY_OF_BATCH, columns=_CLAIMED)
CLAIM_ONE = _CLAIM.format(ready=":seq", columns=_CLAIMED).replace("RETURNING", "AND hold IS NULL RETURNING")

# ``counted``: whether limits, budgets or keys may keep some of them back, so that a claim has to count.
_ANY_READY = """
SELECT EXISTS (SELECT 1 FROM queue
                WHERE name IN (:type, '*')
                  AND (paused = 1 OR max_running IS NOT NULL OR rate_limit IS NOT NULL))
       OR EXISTS (SELECT 1 FROM budget WHERE action <> 'warn')
       OR EXISTS (SELECT 1 FROM job INDEXED BY job_line_of_key
                   WHERE state = 'pending' AND concurrency_key IS NOT NULL AND type = :type) AS counted
  FROM job INDEXED BY {index} WHERE state = 'pending' AND hold IS NULL AND {condition} LIMIT 1
"""
ANY_READY = _ANY_READY.format(index="job_ready", condition="type = :type")
ANY_READY_OF_BATCH = _ANY_READY.format(
    index="job_ready_of_batch", condition="batch_id = :batch_id AND type = :type"
)

CLAIMED = """
SELECT * FROM job INDEXED BY job_worker WHERE state = 'processing' AND worker_id = :worker_id ORDER BY seq
"""

CANCELLATIONS = """
SELECT id, claim_seq FROM job INDEXED BY job_worker
 WHERE state = 'processing' AND worker_id = :worker_id AND cancel_requested = 1 ORDER BY seq
"""

BEAT = """
UPDATE job
   SET lease_until = :lease_until, progress = coalesce(:progress, progress),
       message = coalesce(:message, message)
 WHERE id = :id AND claim_seq = :claim_seq AND state = 'processing' AND worker_id = :worker_id
RETURNING seq, id, claim_seq, cancel_requested, pause_requested
"""

BEAT_USAGE = """
UPDATE attempt
   SET usage = :usage, enforced_by = coalesce(:enforced_by, enforced_by),
       reserved_memory_bytes = coalesce(:reserved_memory_bytes, reserved_memory_bytes)
 WHERE job_seq = :seq AND claim_seq = :claim_seq
"""

COMMIT_MANIFEST = """
UPDATE job SET manifest = :manifest, settlement = :settlement
 WHERE id = :id AND claim_seq = :claim_seq AND state = 'processing' AND cancel_requested = 0
"""

_ENDED = """
 WHERE id = :id AND claim_seq = :claim_seq AND state = 'processing'{condition}
RETURNING seq, id, claim_seq, state, attempt, type, organization_id, submitted_by, batch_id, instance_type,
          input_bytes, concurrency_key, dependents, unique_held
"""

# What a finished job had committed to publish is published by now, or never will be.
FINISH = """
UPDATE job
   SET state = :state, completed_at = :now, lease_until = NULL, lost_count = lost_count + :lost,
       progress = CASE WHEN :state = 'completed' THEN 1.0 ELSE progress END,
       manifest = NULL, settlement = NULL,
       result = :result, error = :error, error_class = :error_class, processing_us = :wall_us,
       cost_nanos = cost_nanos + :cost_nanos
""" + _ENDED.format(condition="")

# Apart from FINISH, which most jobs go through and few with a key: an index that a statement may change costs it time.
FREE_KEY_OF_FINISHED = f"UPDATE job SET {FREE_KEY} WHERE seq = :seq"  # noqa: S608 - only constants

RESCHEDULE = """
UPDATE job
   SET state = 'scheduled', run_at = :run_at, sort_key = sort_key + :run_at - run_at, worker_id = NULL,
       lease_until = NULL, lost_count = lost_count + :lost,
       memory_factor = CASE WHEN :more_memory = 1 THEN 1.5 ELSE memory_factor END,
       result = :result, error = :error, error_class = :error_class, processing_us = :wall_us,
       cost_nanos = cost_nanos + :cost_nanos
""" + _ENDED.format(condition=" AND cancel_requested = 0")

RELEASE = """
UPDATE job
   SET state = CASE WHEN cancel_requested = 1 THEN 'cancelled' ELSE 'pending' END,
       hold = CASE WHEN cancel_requested = 1 THEN NULL
                   WHEN pause_requested = 1 THEN 'paused'
                   WHEN concurrency_key IS NOT NULL THEN 'concurrency' END,
       unique_held = CASE WHEN cancel_requested = 1 AND unique_until IS NULL THEN 0 ELSE unique_held END,
       completed_at = CASE WHEN cancel_requested = 1 THEN CAST(:now AS bigint) END,
       attempt = attempt - 1, worker_id = NULL, lease_until = NULL, started_at = NULL, progress = NULL,
       message = NULL
 WHERE id = :id AND claim_seq = :claim_seq AND state = 'processing'
RETURNING seq, id, state, type, concurrency_key, dependents
"""

# -- rescue ---------------------------------------------------------------------------------------

_LOST = """
SELECT seq FROM job INDEXED BY job_worker
 WHERE state = 'processing' AND worker_id IN (SELECT value FROM json_each(:dead))
UNION
SELECT seq FROM job INDEXED BY job_lease WHERE state = 'processing' AND lease_until <= :now
"""
ANY_LOST = _LOST + "LIMIT 1"
LOST = f"""
SELECT * FROM job
 WHERE seq IN ({_LOST}) AND state = 'processing'
   AND (lease_until <= :now OR worker_id IN (SELECT value FROM json_each(:dead)))
 ORDER BY lease_until, seq LIMIT :limit /* TAKE */
"""  # noqa: S608 - constants

LAST_USAGE = """
SELECT usage, reserved_memory_bytes, enforced_by FROM attempt WHERE job_seq = :seq AND claim_seq = :claim_seq
"""

TAKE_OVER = """
UPDATE job SET claim_seq = claim_seq + 1, worker_id = :worker_id, lease_until = :lease_until
 WHERE id = :id AND claim_seq = :claim_seq AND state = 'processing'
RETURNING *
"""

TAKE_OVER_ATTEMPT = """
UPDATE attempt SET claim_seq = :new_seq, worker_id = :worker_id
 WHERE job_seq = :seq AND claim_seq = :claim_seq
"""

PROMOTE_DUE = f"""
UPDATE job SET state = 'pending', {ENTER_LINE}
 WHERE seq IN (SELECT seq FROM job INDEXED BY job_due WHERE state = 'scheduled' AND run_at <= :now
                ORDER BY run_at, seq LIMIT :limit /* TAKE */) AND state = 'scheduled'
RETURNING run_at, seq, type, concurrency_key
"""  # noqa: S608 - only constants

ANY_DUE = """
SELECT 1 WHERE EXISTS (SELECT 1 FROM job INDEXED BY job_due WHERE state = 'scheduled' AND run_at <= :now)
            OR EXISTS (SELECT 1 FROM job INDEXED BY job_held
                        WHERE state = 'pending' AND hold_until IS NOT NULL AND hold_until <= :now)
"""

# -- readers --------------------------------------------------------------------------------------

GET = "SELECT * FROM job WHERE id = :id"

FIND = "SELECT id FROM job WHERE id >= :prefix AND id < :beyond ORDER BY id LIMIT 10"

# From type to type through the index, and along each line no further than ``most``: a look costs what it brings,
# however long the lines are.
# Not min(type): of a table that it has not analysed yet, Postgres reads all of the index for that.
_READY_BY_TYPE = """
WITH RECURSIVE line (type) AS (
    SELECT (SELECT type FROM {ready} ORDER BY type LIMIT 1)
    UNION ALL
    SELECT (SELECT type FROM {ready} AND type > line.type ORDER BY type LIMIT 1) FROM line WHERE line.type IS NOT NULL
)
SELECT type,
       (SELECT count(*) FROM (SELECT 1 FROM {ready} AND job.type = line.type LIMIT :most) AS counted) AS jobs,
       (SELECT sort_key FROM {ready} AND job.type = line.type ORDER BY sort_key LIMIT 1) AS first
  FROM line WHERE type IS NOT NULL ORDER BY first, type
"""
READY_BY_TYPE = _READY_BY_TYPE.format(
    ready="job INDEXED BY job_ready WHERE state = 'pending' AND hold IS NULL"
)
READY_BY_TYPE_OF_BATCH = _READY_BY_TYPE.format(
    ready="job INDEXED BY job_ready_of_batch WHERE state = 'pending' AND hold IS NULL AND batch_id = :batch_id"
)

NEXT_DUE = "SELECT min(run_at) AS due FROM job INDEXED BY job_due WHERE state = 'scheduled'"
NEXT_DUE_OF_BATCH = "SELECT min(run_at) AS due FROM job WHERE state = 'scheduled' AND batch_id = :batch_id"

ATTEMPTS = """
SELECT attempt.* FROM attempt JOIN job ON job.seq = attempt.job_seq
 WHERE job.id = :id ORDER BY attempt.claim_seq
"""

EVENTS = """
SELECT job_event.*, job.id AS job_id FROM job_event CROSS JOIN job
 WHERE job.seq = job_event.job_seq AND job_event.seq > :after ORDER BY job_event.seq LIMIT :limit
"""
LAST_EVENT = "SELECT coalesce(max(seq), 0) AS seq FROM job_event"
EVENTS_OF_JOB = """
SELECT job_event.*, job.id AS job_id FROM job CROSS JOIN job_event
 WHERE job_event.job_seq = job.seq AND job.id = :id AND job_event.seq > :after ORDER BY job_event.seq LIMIT :limit
"""

_COSTS = """
SELECT {key} AS key, count(DISTINCT job_seq) AS jobs, count(*) AS attempts,
       CAST(sum(wall_us) AS double precision) / 1e6 AS wall_seconds,
       CAST(sum(cpu_us) AS double precision) / 1e6 AS cpu_seconds, CAST(sum(cost_nanos) AS bigint) AS cost_nanos
  FROM ledger WHERE at >= :since GROUP BY key ORDER BY key
"""
COSTS_BY_TYPE = _COSTS.format(key="type")
COSTS_BY_ORGANIZATION = _COSTS.format(key="organization_id")
COSTS_BY_DAY = _COSTS.format(key="date(at / 1000000, 'unixepoch')")
