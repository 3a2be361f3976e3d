"""Budgets: what was spent of them, and who may no longer spend.

What runs inside the store's transaction takes its connection; ``now`` is in microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pitchey_core.errors import BudgetExceeded
from pitchey_runner.store.queue_records import (
    Budget,
    BudgetAction,
    BudgetEvent,
    BudgetPeriod,
    BudgetScope,
    BudgetStatus,
)
from pitchey_runner.store.records import NewJob
from pitchey_runner.store.spending import period_around, reached
from pitchey_runner.store.sql import money_statements as statements
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.rows import moment

__all__ = [
    "as_event",
    "as_status",
    "charge",
    "forget",
    "period_starts",
    "refuse_over_budget",
    "set_budget",
    "statuses",
]


def period_starts(now: int) -> dict[str, int]:
    """What :data:`~.money_statements.BUDGETS` has to know of the time."""
    return {
        "day": period_around(BudgetPeriod.DAY, now)[0],
        "month": period_around(BudgetPeriod.MONTH, now)[0],
    }


def as_status(row: Any, now: int) -> BudgetStatus:
    """A row of :data:`~.money_statements.BUDGETS`."""
    budget = Budget(
        BudgetScope(row["scope"]),
        row["target"],
        BudgetPeriod(row["period"]),
        row["limit_nanos"],
        BudgetAction(row["action"]),
    )
    start, end = period_around(budget.period, now)
    return BudgetStatus(budget, row["spent_nanos"] or 0, moment(start), None if end is None else moment(end))


def as_event(row: Any) -> BudgetEvent:
    return BudgetEvent(
        seq=row["seq"],
        budget=row["budget"],
        period_start=moment(row["period_start"]),
        threshold=row["threshold"],
        at=moment(row["at"]),
        spent_nanos=row["spent_nanos"],
        limit_nanos=row["limit_nanos"],
        job_id=row["job_id"],
    )


def statuses(connection: SqlConnection, now: int) -> list[BudgetStatus]:
    rows = connection.execute(statements.BUDGETS, period_starts(now)).fetchall()
    return [as_status(row, now) for row in rows]


def refuse_over_budget(connection: SqlConnection, now: int, jobs: Iterable[NewJob]) -> None:
    """Refuse jobs that a budget which is used up covers.

    Raises:
        BudgetExceeded: It names the budget, and when it takes jobs again.
    """
    closed = [
        each
        for each in statuses(connection, now)
        if each.used_up and each.budget.action is BudgetAction.REJECT
    ]
    for status in closed:
        budget = status.budget
        if any(budget.covers(job.type, job.organization_id) for job in jobs):
            until = f" until {status.ends_at:%Y-%m-%d %H:%M} UTC" if status.ends_at else ""
            raise BudgetExceeded(
                f"the budget {budget.name} is used up and refuses new jobs{until}",
                remedy="pitchey-run budgets list; raise it with: pitchey-run budgets set",
            )


def charge(connection: SqlConnection, now: int, entries: Sequence[dict[str, Any]]) -> None:
    """Add ledger entries, which are written already, to the budgets that cover them, and record the thresholds that
    this reaches."""
    rows = connection.execute(statements.BUDGETS, period_starts(now)).fetchall()
    if not rows:
        return
    budgets = [as_status(row, now).budget for row in rows]
    for entry in entries:
        for budget in budgets:
            if budget.covers(entry["type"], entry["organization_id"]):
                _spend(connection, now, budget, entry["cost_nanos"], entry["id"])


def set_budget(connection: SqlConnection, now: int, budget: Budget) -> BudgetStatus:
    start, end = period_around(budget.period, now)
    row = {
        "name": budget.name,
        "scope": budget.scope.value,
        "target": budget.target,
        "period": budget.period.value,
        "limit_nanos": budget.limit_nanos,
        "action": budget.action.value,
    }
    # An attempt that ends meanwhile writes its entry, and then looks for budgets: it is either in the sum, or it waits
    # here and finds this one.
    connection.close_ledger()
    connection.execute(statements.SET_BUDGET, row)
    connection.execute(statements.FORGET_SPENDING, row)
    spent_by = statements.SPENT_BY[budget.scope.value]
    spent = connection.execute(spent_by, {"start": start, "target": budget.target}).fetchone()["spent"]
    _spend(connection, now, budget, spent, None)
    return BudgetStatus(budget, spent, moment(start), None if end is None else moment(end))


def forget(connection: SqlConnection, name: str) -> bool:
    connection.execute(statements.FORGET_SPENDING, {"name": name})
    return connection.execute(statements.REMOVE_BUDGET, {"name": name}).rowcount > 0


def _spend(connection: SqlConnection, now: int, budget: Budget, nanos: int, job_id: str | None) -> None:
    named = {
        "name": budget.name,
        "period_start": period_around(budget.period, now)[0],
        "nanos": nanos,
        "now": now,
        "limit_nanos": budget.limit_nanos,
        "job_id": job_id,
    }
    spent = connection.execute(statements.SPEND, named).fetchone()["spent_nanos"]
    for threshold in reached(spent - nanos, spent, budget.limit_nanos):
        event = {**named, "threshold": threshold, "spent_nanos": spent}
        connection.execute(statements.INSERT_BUDGET_EVENT, event)
