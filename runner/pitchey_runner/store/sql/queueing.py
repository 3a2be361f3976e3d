"""Transactions of those who steer: queues and single jobs.

Every function here runs inside the store's transaction; ``now`` is in microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from pitchey_runner.store.queue_records import Budget, BudgetStatus, QueueLimits
from pitchey_runner.store.records import JobEdit, JobState
from pitchey_runner.store.sql import budgets
from pitchey_runner.store.sql import line_statements as statements
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.consequences import Consequences
from pitchey_runner.store.sql.events import Happening, record
from pitchey_runner.store.sql.lines import rebalance
from pitchey_runner.store.sql.rows import span, to_json
from pitchey_runner.store.sql.statements import PURGE_OLD, STATE_OF

__all__ = [
    "edit",
    "limit_queue",
    "pause_queue",
    "purge_old",
    "remove_budget",
    "set_budget",
    "set_paused",
]

_WINDOWS = 10


def limit_queue(connection: SqlConnection, _now: int, name: str, limits: QueueLimits) -> None:
    rate = limits.rate
    row = {
        "name": name,
        "max_running": limits.max_running,
        "rate_limit": None if rate is None else rate.count,
        "rate_us": None if rate is None else span(rate.seconds),
        "max_slots": limits.max_slots,
    }
    connection.execute(statements.LIMIT_QUEUE, row)


def pause_queue(connection: SqlConnection, _now: int, name: str, paused: bool) -> bool:
    named = {"name": name, "paused": int(paused)}
    connection.execute(statements.ADD_QUEUE, named)
    return connection.execute(statements.PAUSE_QUEUE, named).rowcount > 0


def set_paused(
    connection: SqlConnection,
    now: int,
    ids: Sequence[str],
    paused: bool,
) -> list[JobState | None]:
    statement, kind = (statements.PAUSE, "pause_requested") if paused else (statements.RESUME, "resumed")
    happened: list[Happening] = []
    follow = Consequences(connection, now)
    for job_id in ids:
        row = connection.execute(statement, {"id": job_id}).fetchone()
        if row is not None:
            happened.append((row["seq"], kind, JobState(row["state"]), None))
            follow.in_line(row)
    record(connection, now, happened)
    follow.write()
    rows = [connection.execute(STATE_OF, {"id": job_id}).fetchone() for job_id in ids]
    return [None if row is None else JobState(row["state"]) for row in rows]


def edit(connection: SqlConnection, now: int, job_id: str, changes: JobEdit) -> JobState | None:
    fields = sorted(
        name
        for name in JobEdit.__slots__
        if getattr(changes, name) is not None and not name.startswith("input_")
    )
    named = {
        "id": job_id,
        "payload": to_json(changes.payload),
        "priority": None if changes.priority is None else changes.priority.value,
        "head_start": None if changes.priority is None else span(changes.priority.head_start_seconds),
        "max_attempts": changes.max_attempts,
        "instance_type": changes.instance_type,
        "wall_limit": changes.wall_limit,
        "input_digest": changes.input_digest,
        "input_bytes": changes.input_bytes,
    }
    row = connection.execute(statements.EDIT, named).fetchone() if fields else None
    if row is not None:
        record(connection, now, [(row["seq"], "edited", JobState(row["state"]), {"fields": fields})])
        follow = Consequences(connection, now)
        follow.in_line(row)
        follow.write()
    found = connection.execute(STATE_OF, {"id": job_id}).fetchone()
    return None if found is None else JobState(found["state"])


def purge_old(connection: SqlConnection, now: int, state: JobState, older_than: float, limit: int) -> int:
    named = {
        "state": state.value,
        "before": now - span(older_than),
        "limit": limit,
        "window": limit * _WINDOWS,
    }
    return connection.execute(PURGE_OLD, named).rowcount


def set_budget(connection: SqlConnection, now: int, budget: Budget) -> BudgetStatus:
    status = budgets.set_budget(connection, now, budget)
    _free_held(connection)
    return status


def remove_budget(connection: SqlConnection, _now: int, name: str) -> bool:
    known = budgets.forget(connection, name)
    _free_held(connection)
    return known


def _free_held(connection: SqlConnection) -> None:
    """Whatever budgets have held goes back to its line, where the next claim judges it anew."""
    rows = connection.execute(statements.FREE_HELD_BY_BUDGETS).fetchall()
    rebalance(
        connection,
        {(row["type"], row["concurrency_key"]) for row in rows if row["concurrency_key"] is not None},
    )
