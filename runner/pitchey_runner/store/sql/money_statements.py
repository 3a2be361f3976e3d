"""The statements about schedules, budgets and estimates."""

from __future__ import annotations

# -- schedules ------------------------------------------------------------------------------------

# Set again as it is, it keeps its time: one that has come, and was not seen to yet, must not be passed over.
SET_SCHEDULE = """
INSERT INTO schedule (name, cron, timezone, missed, enabled, template, created_at, next_fire_at)
VALUES (:name, :cron, :timezone, :missed, :enabled, :template, :now, :next_fire_at)
ON CONFLICT (name) DO UPDATE SET
    cron = excluded.cron, timezone = excluded.timezone, missed = excluded.missed, enabled = excluded.enabled,
    template = excluded.template, created_at = excluded.created_at,
    next_fire_at = CASE WHEN schedule.cron = excluded.cron AND schedule.timezone = excluded.timezone
                         AND schedule.enabled = 1 THEN schedule.next_fire_at ELSE excluded.next_fire_at END
"""

SCHEDULES = "SELECT * FROM schedule ORDER BY name"
SCHEDULE = "SELECT * FROM schedule WHERE name = :name"
REMOVE_SCHEDULE = "DELETE FROM schedule WHERE name = :name"
ENABLE_SCHEDULE = "UPDATE schedule SET enabled = :enabled, next_fire_at = :next_fire_at WHERE name = :name"

DUE_SCHEDULES = "SELECT * FROM schedule WHERE enabled = 1 AND next_fire_at <= :now ORDER BY name"

# Whoever changes the row has the fire time; everybody else finds it changed.
ADVANCE_SCHEDULE = """
UPDATE schedule SET next_fire_at = :next_fire_at WHERE name = :name AND next_fire_at = :due AND enabled = 1
"""
NOTE_FIRED = "UPDATE schedule SET last_fire_at = :fire_at, last_job_id = :job_id WHERE name = :name"

# -- budgets --------------------------------------------------------------------------------------

BUDGETS = """
SELECT budget.*, budget_spending.period_start, budget_spending.spent_nanos
  FROM budget LEFT JOIN budget_spending ON budget_spending.budget = budget.name
   AND budget_spending.period_start = CASE budget.period
           WHEN 'day' THEN CAST(:day AS bigint) WHEN 'month' THEN CAST(:month AS bigint) ELSE 0 END
 ORDER BY budget.name
"""

SET_BUDGET = """
INSERT INTO budget (name, scope, target, period, limit_nanos, action)
VALUES (:name, :scope, :target, :period, :limit_nanos, :action)
ON CONFLICT (name) DO UPDATE SET limit_nanos = excluded.limit_nanos, action = excluded.action
"""

REMOVE_BUDGET = "DELETE FROM budget WHERE name = :name"
FORGET_SPENDING = "DELETE FROM budget_spending WHERE budget = :name"

SPEND = """
INSERT INTO budget_spending (budget, period_start, spent_nanos) VALUES (:name, :period_start, :nanos)
ON CONFLICT (budget, period_start) DO UPDATE SET spent_nanos = budget_spending.spent_nanos + excluded.spent_nanos
RETURNING spent_nanos
"""

_SPENT = "SELECT CAST(coalesce(sum(cost_nanos), 0) AS BIGINT) AS spent FROM ledger WHERE at >= :start"
SPENT_BY = {
    "all": _SPENT,
    "type": _SPENT + " AND type = :target",
    "organization": _SPENT + " AND organization_id = :target",
}

INSERT_BUDGET_EVENT = """
INSERT INTO budget_event (budget, period_start, threshold, at, spent_nanos, limit_nanos, job_id)
VALUES (:name, :period_start, :threshold, :now, :spent_nanos, :limit_nanos, :job_id)
ON CONFLICT (budget, period_start, threshold) DO NOTHING
"""
BUDGET_EVENTS = "SELECT * FROM budget_event WHERE seq > :after ORDER BY seq LIMIT :limit"

# -- estimates ------------------------------------------------------------------------------------

SAMPLES = """
SELECT input_bytes, wall_us, cpu_us, peak_memory_bytes, cost_nanos
  FROM ledger INDEXED BY ledger_of_type
 WHERE type = :type AND outcome = 'completed' ORDER BY seq DESC LIMIT :limit
"""
