"""The statements about lines, dependencies and unique keys; see ``statements`` for what all of them keep to."""

from __future__ import annotations

from pitchey_runner.store.sql.statements import ENTER_LINE, FREE_KEY

# -- queues and rates -----------------------------------------------------------------------------

QUEUES = "SELECT * FROM queue ORDER BY name"
QUEUES_OF = "SELECT * FROM queue WHERE name IN (:type, '*') ORDER BY name"

ANY_LIMIT = """
SELECT 1 WHERE EXISTS (SELECT 1 FROM queue) OR EXISTS (SELECT 1 FROM budget WHERE action <> 'warn')
"""

LIVE_WORKERS = "SELECT host, types, room FROM worker WHERE seen_at + lease_seconds * 1000000 > :now"

LIVE_WORKER = "SELECT 1 FROM worker WHERE id = :id AND seen_at + lease_seconds * 1000000 > :now"

LIMIT_QUEUE = """
INSERT INTO queue (name, max_running, rate_limit, rate_us, max_slots)
VALUES (:name, :max_running, :rate_limit, :rate_us, :max_slots)
ON CONFLICT (name) DO UPDATE SET
    max_running = excluded.max_running, rate_limit = excluded.rate_limit, rate_us = excluded.rate_us,
    max_slots = excluded.max_slots
"""

ADD_QUEUE = "INSERT INTO queue (name) VALUES (:name) ON CONFLICT (name) DO NOTHING"
PAUSE_QUEUE = "UPDATE queue SET paused = :paused WHERE name = :name AND paused <> :paused"

RUNNING = "SELECT count(*) AS running FROM job INDEXED BY job_lease WHERE state = 'processing'"
RUNNING_OF_TYPE = RUNNING + " AND type = :type"

BUCKET = "SELECT full_at FROM rate_bucket WHERE name = :name"
FILL_BUCKET = """
INSERT INTO rate_bucket (name, full_at) VALUES (:name, :full_at)
ON CONFLICT (name) DO UPDATE SET full_at = excluded.full_at
"""

# -- the line -------------------------------------------------------------------------------------

_CANDIDATES = """
SELECT seq, sort_key, organization_id, concurrency_key, concurrency_limit, rate_limit, rate_us
  FROM job INDEXED BY {index}
 WHERE state = 'pending' AND hold IS NULL AND {condition} AND (sort_key, seq) > (:sort_key, :seq)
 ORDER BY sort_key, seq LIMIT :limit
"""
CANDIDATES = _CANDIDATES.format(index="job_ready", condition="type = :type")
CANDIDATES_OF_BATCH = _CANDIDATES.format(
    index="job_ready_of_batch", condition="batch_id = :batch_id AND type = :type"
)

HOLD = "UPDATE job SET hold = :hold, hold_until = :until WHERE seq = :seq AND state = 'pending'"

HOLD_ALL_OF_KEY = """
UPDATE job SET hold = 'budget', hold_until = :until
 WHERE state = 'pending' AND concurrency_key IS NOT NULL AND type = :type AND concurrency_key = :key
   AND organization_id = :organization_id AND (hold IS NULL OR hold IN ('concurrency', 'rate'))
"""

ENTER_LINE_LATER = """
UPDATE job SET hold_until = :now WHERE seq = :seq AND state = 'pending' AND hold = 'concurrency'
"""

FREE_HELD = f"""
UPDATE job SET {ENTER_LINE}
 WHERE seq IN (SELECT seq FROM job INDEXED BY job_held
                WHERE state = 'pending' AND hold_until IS NOT NULL AND hold_until <= :now
                ORDER BY hold_until, seq LIMIT :limit /* TAKE */)
   AND state = 'pending'
RETURNING type, concurrency_key
"""  # noqa: S608 - only constants

FREE_HELD_BY_BUDGETS = f"""
UPDATE job SET {ENTER_LINE} WHERE state = 'pending' AND hold = 'budget' RETURNING type, concurrency_key
"""  # noqa: S608 - only constants

_OF_KEY = """
  FROM job INDEXED BY job_line_of_key
 WHERE state = 'pending' AND concurrency_key IS NOT NULL AND type = :type AND concurrency_key = :key
   AND (hold IS NULL OR hold IN ('concurrency', 'rate'))
"""
FIRST_OF_KEY = (
    "SELECT seq, hold, concurrency_limit, rate_limit" + _OF_KEY + " ORDER BY sort_key, seq LIMIT :limit"
)
FRONT_OF_KEY = """
SELECT seq FROM job INDEXED BY job_front_of_key
 WHERE state = 'pending' AND concurrency_key IS NOT NULL AND type = :type AND concurrency_key = :key
   AND (hold IS NULL OR hold = 'rate')
"""
RUNNING_OF_KEY = """
SELECT count(*) AS running FROM job INDEXED BY job_lease
 WHERE state = 'processing' AND type = :type AND concurrency_key = :key
"""
BEFORE_IN_KEY = "SELECT count(*) AS count" + _OF_KEY + " AND (sort_key, seq) < (:sort_key, :seq)"
BEFORE_IN_LINE = """
SELECT count(*) AS count FROM job INDEXED BY job_ready
 WHERE state = 'pending' AND hold IS NULL AND type = :type AND (sort_key, seq) < (:sort_key, :seq)
"""

HELD_BY_RATE = """
SELECT DISTINCT type, batch_id FROM job INDEXED BY job_held
 WHERE state = 'pending' AND hold_until IS NOT NULL AND hold = 'rate'
"""

# -- single jobs ----------------------------------------------------------------------------------

PAUSE = """
UPDATE job
   SET pause_requested = 1, hold_until = NULL, hold = CASE WHEN state = 'pending' THEN 'paused' ELSE hold END
 WHERE id = :id AND pause_requested = 0 AND state IN ('scheduled', 'blocked', 'pending', 'processing')
RETURNING seq, state, type, concurrency_key
"""
RESUME = """
UPDATE job
   SET pause_requested = 0,
       hold = CASE WHEN state = 'pending' AND concurrency_key IS NOT NULL THEN 'concurrency' END
 WHERE id = :id AND pause_requested = 1 AND state IN ('scheduled', 'blocked', 'pending', 'processing')
RETURNING seq, state, type, concurrency_key
"""
PAUSES = """
SELECT id, claim_seq FROM job INDEXED BY job_worker
 WHERE state = 'processing' AND worker_id = :worker_id AND pause_requested = 1 ORDER BY seq
"""

EDIT = """
UPDATE job
   SET payload = coalesce(:payload, payload),
       input_digest = CASE WHEN :payload IS NULL THEN input_digest ELSE :input_digest END,
       input_bytes = CASE WHEN :payload IS NULL THEN input_bytes ELSE :input_bytes END,
       priority = coalesce(:priority, priority),
       sort_key = run_at - coalesce(:head_start, run_at - sort_key),
       max_attempts = coalesce(:max_attempts, max_attempts),
       instance_type = coalesce(:instance_type, instance_type), wall_limit = coalesce(:wall_limit, wall_limit)
 WHERE id = :id AND state IN ('scheduled', 'blocked', 'pending', 'failed', 'cancelled') AND manifest IS NULL
RETURNING seq, state, type, concurrency_key
"""

# -- unique keys ----------------------------------------------------------------------------------

FREE_UNIQUE_KEY = """
UPDATE job SET unique_held = 0
 WHERE organization_id = :organization_id AND type = :type AND unique_key = :unique_key AND unique_held = 1
   AND unique_until <= :now
"""
UNIQUE_HOLDER = """
SELECT id FROM job
 WHERE organization_id = :organization_id AND type = :type AND unique_key = :unique_key AND unique_held = 1
"""
ITEM_KNOWN = "SELECT 1 FROM job WHERE batch_id = :batch_id AND item_key = :item_key"

# -- dependencies ---------------------------------------------------------------------------------

# Also locks the row, where rows have locks: a parent that ends meanwhile sees that it is waited for.
AWAIT_PARENT = "UPDATE job SET dependents = dependents + 1 WHERE id = :id RETURNING seq, id, state"

INSERT_DEPENDENCY = """
INSERT INTO job_dependency (job_seq, parent_seq, on_failure, met) VALUES (:seq, :parent_seq, :on_failure, :met)
"""

WAITING_ON = """
SELECT job_seq, on_failure FROM job_dependency WHERE parent_seq = :seq AND met = 0 ORDER BY job_seq
"""

MEET = """
UPDATE job_dependency SET met = 1 WHERE job_seq = :seq AND parent_seq = :parent_seq AND met = 0
"""

ONE_LESS = "UPDATE job SET waits_for = waits_for - 1 WHERE seq = :seq"

UNBLOCK = """
UPDATE job
   SET state = CASE WHEN run_at > :now THEN 'scheduled' ELSE 'pending' END, hold_until = NULL,
       hold = CASE WHEN run_at > :now THEN NULL
                   WHEN pause_requested = 1 THEN 'paused'
                   WHEN concurrency_key IS NOT NULL THEN 'concurrency' END
 WHERE seq = :seq AND state = 'blocked' AND waits_for = 0
RETURNING seq, state, type, concurrency_key
"""

CANCEL_DEPENDENT = f"""
UPDATE job
   SET state = 'cancelled', completed_at = :now, error = :error, error_class = 'Cancelled', {FREE_KEY}
 WHERE seq = :seq AND state = 'blocked'
RETURNING seq, id, state, dependents
"""  # noqa: S608 - only constants

AWAIT_AGAIN = """
UPDATE job_dependency
   SET met = CASE WHEN (SELECT state FROM job WHERE job.seq = job_dependency.parent_seq)
                       IN ('completed', 'failed', 'cancelled') THEN 1 ELSE 0 END
 WHERE job_seq = :seq
RETURNING met
"""

PARENTS = """
SELECT parent.id, parent.state, job_dependency.on_failure
  FROM job_dependency JOIN job AS parent ON parent.seq = job_dependency.parent_seq
 WHERE job_dependency.job_seq = :seq AND job_dependency.met = 0 ORDER BY parent.seq
"""
