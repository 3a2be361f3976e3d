"""Who may be claimed now. Limits are counted from rows, in the transaction that claims.

Of the jobs that share a concurrency key only the first few, as many as may run, stand in the line of their queue;
the others are held, so that a claim never wades through jobs that may not start. ``rebalance`` sees to that after
each change; a claim counts again all the same.

Everything here runs inside the store's transaction; ``now`` is in microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pitchey_runner.store.buckets import available, next_start, taken
from pitchey_runner.store.queue_records import ALL_QUEUES, BudgetScope, BudgetStatus
from pitchey_runner.store.sql import line_statements as statements
from pitchey_runner.store.sql.budgets import statuses
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.rows import micros

__all__ = ["Key", "allowance", "choose", "loads", "rebalance", "stopped"]

Key = tuple[str, str]
"""Type and concurrency key."""

_PAGE = 64
_MOST_LOOKED_AT = 5000
_BEFORE_ALL = -(1 << 62)


def loads(connection: SqlConnection, job_type: str) -> list[dict[str, Any]]:
    """The rows of the queues that limit a type, with what runs and the state of their buckets."""
    found = []
    for row in connection.execute(statements.QUEUES_OF, {"type": job_type}).fetchall():
        everything = row["name"] == ALL_QUEUES
        running = statements.RUNNING if everything else statements.RUNNING_OF_TYPE
        found.append(
            {
                **dict(row),
                "running": connection.execute(running, {"type": job_type}).fetchone()["running"],
                "full_at": _full_at(connection, f"queue:{row['name']}"),
            }
        )
    return found


def allowance(
    queues: Iterable[dict[str, Any]], budgets: Iterable[BudgetStatus], job_type: str, now: int
) -> int | None:
    """How many jobs of a type may start now, as far as queues and budgets go; ``None``: any number."""
    bounds = [0] if stopped(budgets, job_type) else []
    for row in queues:
        if row["paused"]:
            bounds.append(0)
        if row["max_running"] is not None:
            bounds.append(max(0, row["max_running"] - row["running"]))
        if row["rate_limit"] is not None:
            bounds.append(available(row["full_at"], now, row["rate_limit"], row["rate_us"]))
    return min(bounds, default=None)


def stopped(budgets: Iterable[BudgetStatus], job_type: str) -> bool:
    """Whether a budget stops a type as a whole."""
    return any(
        each.stops and each.budget.scope is not BudgetScope.ORGANIZATION and each.budget.covers(job_type, "")
        for each in budgets
    )


def choose(
    connection: SqlConnection, now: int, job_type: str, limit: int, batch_id: str | None
) -> tuple[list[int], set[Key]]:
    """``seq`` of the jobs to claim, whose starts are taken from their rates, and the keys to rebalance after."""
    # Two that count at the same time would each count without the other's jobs.
    connection.gate()
    budgets = statuses(connection, now)
    queues = loads(connection, job_type)
    allowed = allowance(queues, budgets, job_type, now)
    choice = _Choice(connection, now, job_type, budgets)
    limit = limit if allowed is None else min(limit, allowed)
    named = {"type": job_type, "batch_id": batch_id, "limit": _PAGE, "sort_key": _BEFORE_ALL, "seq": 0}
    statement = statements.CANDIDATES if batch_id is None else statements.CANDIDATES_OF_BATCH
    looked_at = 0
    while len(choice.seqs) < limit and looked_at < _MOST_LOOKED_AT:
        rows = connection.execute(statement, named).fetchall()
        for row in rows:
            if len(choice.seqs) < limit:
                choice.consider(row)
        looked_at += len(rows)
        if len(rows) < _PAGE:
            break
        named.update(sort_key=rows[-1]["sort_key"], seq=rows[-1]["seq"])
    if choice.seqs:
        for row in queues:
            if row["rate_limit"] is not None:
                _take(connection, f"queue:{row['name']}", row, now, len(choice.seqs))
    return choice.seqs, choice.keys


@dataclass
class _Choice:
    connection: SqlConnection
    now: int
    job_type: str
    budgets: list[BudgetStatus]
    seqs: list[int] = field(default_factory=list)
    keys: set[Key] = field(default_factory=set)
    _running: dict[str, int] = field(default_factory=dict)
    _held: set[tuple[str, str]] = field(default_factory=set)

    def consider(self, row: Any) -> None:
        key, organization = row["concurrency_key"], row["organization_id"]
        if key is not None and (key, organization) in self._held:
            return
        stopping = [each for each in self.budgets if each.stops and _pays(each, organization)]
        if stopping:
            self._hold_for_budgets(row, stopping)
        elif key is None or self._key_allows(key, row):
            self.seqs.append(row["seq"])

    def _hold_for_budgets(self, row: Any, stopping: list[BudgetStatus]) -> None:
        ends = [micros(each.ends_at) for each in stopping if each.ends_at is not None]
        until = max(ends) if len(ends) == len(stopping) else None
        key, organization = row["concurrency_key"], row["organization_id"]
        if key is None:
            held = {"seq": row["seq"], "hold": "budget", "until": until}
            self.connection.execute(statements.HOLD, held)
            return
        self._held.add((key, organization))
        self.keys.add((self.job_type, key))
        mates = {"type": self.job_type, "key": key, "organization_id": organization, "until": until}
        self.connection.execute(statements.HOLD_ALL_OF_KEY, mates)

    def _key_allows(self, key: str, row: Any) -> bool:
        self.keys.add((self.job_type, key))
        if key not in self._running:
            self._running[key] = _running_of(self.connection, (self.job_type, key))
        if row["concurrency_limit"] is not None and self._running[key] >= row["concurrency_limit"]:
            return False
        if row["rate_limit"] is not None:
            bucket = f"key:{self.job_type}:{key}"
            full_at = _full_at(self.connection, bucket)
            if not available(full_at, self.now, row["rate_limit"], row["rate_us"]):
                start = next_start(full_at, self.now, row["rate_limit"], row["rate_us"])
                held = {"seq": row["seq"], "hold": "rate", "until": start}
                self.connection.execute(statements.HOLD, held)
                return False
            _take(self.connection, bucket, row, self.now, 1)
        self._running[key] += 1
        return True


def rebalance(connection: SqlConnection, keys: Iterable[Key]) -> None:
    """Let as many jobs of each key into the line as may start, and those that stand first."""
    connection.gate()
    for job_type, key in sorted(keys):
        named: dict[str, Any] = {"type": job_type, "key": key, "limit": 1}
        head = connection.execute(statements.FIRST_OF_KEY, named).fetchone()
        if head is None:
            continue
        bounds = []
        if head["concurrency_limit"] is not None:
            bounds.append(head["concurrency_limit"] - _running_of(connection, (job_type, key)))
        if head["rate_limit"] is not None:
            bounds.append(head["rate_limit"])
        named["limit"] = max(0, min(bounds))
        first = connection.execute(statements.FIRST_OF_KEY, named).fetchall()
        wanted = {row["seq"] for row in first}
        changes = [
            {"seq": row["seq"], "hold": None, "until": None} for row in first if row["hold"] == "concurrency"
        ]
        changes += [
            {"seq": row["seq"], "hold": "concurrency", "until": None}
            for row in connection.execute(statements.FRONT_OF_KEY, named).fetchall()
            if row["seq"] not in wanted
        ]
        for change in changes:
            connection.execute(statements.HOLD, change)


def _pays(status: BudgetStatus, organization_id: str) -> bool:
    budget = status.budget
    return budget.scope is BudgetScope.ORGANIZATION and budget.target == organization_id


def _running_of(connection: SqlConnection, key: Key) -> int:
    named = {"type": key[0], "key": key[1]}
    return int(connection.execute(statements.RUNNING_OF_KEY, named).fetchone()["running"])


def _full_at(connection: SqlConnection, bucket: str) -> int | None:
    row = connection.execute(statements.BUCKET, {"name": bucket}).fetchone()
    return None if row is None else int(row["full_at"])


def _take(connection: SqlConnection, bucket: str, rate: Any, now: int, starts: int) -> None:
    full_at = taken(_full_at(connection, bucket), now, rate["rate_limit"], rate["rate_us"], starts)
    connection.execute(statements.FILL_BUCKET, {"name": bucket, "full_at": full_at})
