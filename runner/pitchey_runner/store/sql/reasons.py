"""What is known of a job that waits, of the queues, and of what such jobs have taken before.

Everything here only reads; ``now`` is in microseconds. Rows read one after another need not be of one moment: what
comes of it is for people.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from pitchey_runner.store.buckets import available
from pitchey_runner.store.estimating import RECENT, Sample, estimate_from
from pitchey_runner.store.explaining import Circumstances, QueueLoad, explain
from pitchey_runner.store.new_job import OnFailure, RateLimit
from pitchey_runner.store.queue_records import Estimate, Explanation, Hold, QueueLimits, QueueRecord
from pitchey_runner.store.records import JobState
from pitchey_runner.store.room import Lane, Room
from pitchey_runner.store.sql import line_statements, money_statements, statements
from pitchey_runner.store.sql.budgets import statuses
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.lines import allowance, loads, stopped
from pitchey_runner.store.sql.rows import MICROS, as_record, moment
from pitchey_runner.store.waiting_for_room import WorkerRoom, lane_seconds

__all__ = ["as_queue", "estimate", "ready", "waits_for_rate", "why"]


def as_queue(row: Any) -> QueueRecord:
    limits = QueueLimits(row["max_running"], _rate(row), row["max_slots"])
    return QueueRecord(row["name"], bool(row["paused"]), limits)


def _rate(row: Any) -> RateLimit | None:
    return None if row["rate_limit"] is None else RateLimit(row["rate_limit"], row["rate_us"] / MICROS)


def ready(
    connection: SqlConnection, clock: Callable[[], int], batch_id: str | None, most: int
) -> dict[str, int]:
    """Jobs that could be claimed, by type; see the interface. The time is asked for where limits depend on it."""
    statement = statements.READY_BY_TYPE if batch_id is None else statements.READY_BY_TYPE_OF_BATCH
    rows = connection.execute(statement, {"batch_id": batch_id, "most": most}).fetchall()
    counts = {row["type"]: row["jobs"] for row in rows}
    limited = connection.execute(line_statements.ANY_LIMIT).fetchone() if counts else None
    if limited is None:
        return counts
    now = clock()
    budgets = statuses(connection, now)
    found = {}
    for job_type, count in counts.items():
        allowed = allowance(loads(connection, job_type), budgets, job_type, now)
        if count := count if allowed is None else min(count, allowed):
            found[job_type] = count
    return found


def waits_for_rate(connection: SqlConnection, now: int, types: Collection[str], batch_id: str | None) -> bool:
    for row in connection.execute(line_statements.HELD_BY_RATE).fetchall():
        if (not types or row["type"] in types) and batch_id in (None, row["batch_id"]):
            return True
    statement = statements.READY_BY_TYPE if batch_id is None else statements.READY_BY_TYPE_OF_BATCH
    budgets = statuses(connection, now)
    for row in connection.execute(statement, {"batch_id": batch_id, "most": 1}).fetchall():
        if types and row["type"] not in types:
            continue
        queues = loads(connection, row["type"])
        if any(each["paused"] for each in queues) or stopped(budgets, row["type"]):
            continue
        for each in queues:
            limit = each["rate_limit"]
            if limit is not None and not available(each["full_at"], now, limit, each["rate_us"]):
                return True
    return False


def why(connection: SqlConnection, now: int, job_id: str) -> Explanation | None:
    row = connection.execute(statements.GET, {"id": job_id}).fetchone()
    if row is None:
        return None
    named = {**dict(row), "key": row["concurrency_key"], "now": now}
    in_key = row["hold"] == Hold.CONCURRENCY
    before = line_statements.BEFORE_IN_KEY if in_key else line_statements.BEFORE_IN_LINE
    name = f"key:{row['type']}:{row['concurrency_key']}"
    bucket = connection.execute(line_statements.BUCKET, {"name": name}).fetchone()
    parents = connection.execute(line_statements.PARENTS, {"seq": row["seq"]}).fetchall()
    about = Circumstances(
        now=now,
        hold_until=None if row["hold_until"] is None else moment(row["hold_until"]),
        key_limit=row["concurrency_limit"],
        key_running=connection.execute(line_statements.RUNNING_OF_KEY, named).fetchone()["running"],
        key_rate=_rate(row),
        key_full_at=None if bucket is None else bucket["full_at"],
        before=connection.execute(before, named).fetchone()["count"],
        parents=[(each["id"], JobState(each["state"]), OnFailure(each["on_failure"])) for each in parents],
        queues=[
            QueueLoad(as_queue(each), each["running"], each["full_at"])
            for each in loads(connection, row["type"])
        ],
        budgets=statuses(connection, now),
        running=connection.execute(line_statements.RUNNING_OF_TYPE, named).fetchone()["running"],
        worker_lost=_lost(connection, now, row["worker_id"]),
        workers=_workers(connection, now, row["type"]),
        typical=estimate(connection, row["type"], row["input_bytes"]),
    )
    return explain(as_record(row), about)


def estimate(connection: SqlConnection, job_type: str, input_bytes: int | None) -> Estimate | None:
    named = {"type": job_type, "limit": RECENT}
    rows = connection.execute(money_statements.SAMPLES, named).fetchall()
    samples = [
        Sample(row["input_bytes"], row["wall_us"], row["cpu_us"], row["peak_memory_bytes"], row["cost_nanos"])
        for row in rows
    ]
    return estimate_from(job_type, samples, input_bytes)


def _lost(connection: SqlConnection, now: int, worker_id: str | None) -> bool:
    named = {"id": worker_id, "now": now}
    return worker_id is not None and connection.execute(line_statements.LIVE_WORKER, named).fetchone() is None


def _workers(connection: SqlConnection, now: int, job_type: str) -> list[WorkerRoom]:
    rows = connection.execute(line_statements.LIVE_WORKERS, {"now": now}).fetchall()
    typical: dict[str, float | None] = {}
    found = []
    for row in rows:
        if job_type not in json.loads(row["types"]):
            continue
        room = None if row["room"] is None else Room.from_record(json.loads(row["room"]))
        lanes = () if room is None else room.lanes
        found.append(
            WorkerRoom(row["host"], room, [_remaining(connection, now, each, typical) for each in lanes])
        )
    return found


def _remaining(
    connection: SqlConnection, now: int, lane: Lane, typical: dict[str, float | None]
) -> float | None:
    """Seconds until a lane will probably have ended; ``typical``: what was asked for already."""
    if lane.type not in typical:
        known = estimate(connection, lane.type, None)
        typical[lane.type] = None if known is None else known.wall_seconds.p50
    row = connection.execute(statements.GET, {"id": lane.job_id}).fetchone()
    return lane_seconds(lane, None if row is None else as_record(row), moment(now), typical[lane.type])
