"""The reader's statements whose conditions vary."""

from __future__ import annotations

from typing import Any

from pitchey_runner.store.records import JobFilter
from pitchey_runner.store.sql.rows import micros, to_json

__all__ = ["count_statement", "list_statement"]


def list_statement(where: JobFilter, limit: int, *, newest_first: bool) -> tuple[str, dict[str, Any]]:
    """``seq`` is the order of insertion, so the order of listing needs no sort."""
    condition, named = _condition(where)
    order = "DESC" if newest_first else "ASC"
    sql = f"SELECT * FROM job WHERE {condition} ORDER BY seq {order} LIMIT :limit"  # noqa: S608 - only constants
    return sql, {**named, "limit": max(0, limit)}


def count_statement(where: JobFilter) -> tuple[str, dict[str, Any]]:
    condition, named = _condition(where)
    sql = f"SELECT state, count(*) AS jobs FROM job WHERE {condition} GROUP BY state"  # noqa: S608 - only constants
    return sql, named


def _condition(where: JobFilter) -> tuple[str, dict[str, Any]]:
    conditions: list[str] = []
    named: dict[str, Any] = {}
    for column, values in (
        ("state", where.states),
        ("type", where.types),
        ("id", where.ids),
        ("error_class", where.errors),
    ):
        if len(values) == 1:
            # An equality, not a list of one: only then does the index also give the order.
            conditions.append(f"{column} = :{column}")
            named[column] = str(next(iter(values)))
        elif values:
            conditions.append(f"{column} IN (SELECT value FROM json_each(:{column}))")  # noqa: S608 - the same
            named[column] = to_json([str(value) for value in values])
    if where.batch_id is not None:
        conditions.append("batch_id = :batch_id")
        named["batch_id"] = where.batch_id
    if where.since is not None:
        conditions.append("created_at >= :since")
        named["since"] = micros(where.since)
    if where.before is not None:
        conditions.append("created_at < :before")
        named["before"] = micros(where.before)
    if where.organization_id is not None:
        conditions.append("organization_id = :organization_id")
        named["organization_id"] = where.organization_id
    if where.started:
        conditions.append("claim_seq > 0")
    return " AND ".join(conditions) or "1 = 1", named
