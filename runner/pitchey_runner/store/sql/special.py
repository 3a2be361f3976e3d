"""Jobs that may not simply go in: those that may collide with another, wait for others, or have a line of their own.

Every function here runs inside the store's transaction; ``now`` is in microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pitchey_core.errors import StoreError, UnknownName
from pitchey_runner.store.records import JobState, NewJob
from pitchey_runner.store.sql import line_statements
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.consequences import Consequences
from pitchey_runner.store.sql.rows import span
from pitchey_runner.store.sql.statements import INSERT_SPECIAL_JOB, STATE_OF

__all__ = ["await_again", "insert_special", "is_special", "retake_unique_key"]

_TRIES = 10


def is_special(job: NewJob) -> bool:
    """Whether a job needs more than its row."""
    return (
        (job.batch_id is not None and job.item_key is not None)
        or job.unique is not None
        or bool(job.depends_on)
        or job.concurrency_key is not None
        or job.schedule is not None
    )


def insert_special(
    connection: SqlConnection,
    now: int,
    jobs: Sequence[tuple[NewJob, dict[str, Any]]],
    follow: Consequences,
) -> list[str | None]:
    """Insert jobs one by one, in order: an earlier one may be what a later one waits for.

    Returns:
        For each its own id; that of the job which has its unique key; or ``None``: its item is there.

    Raises:
        UnknownName: It depends on a job that is not there.
        StoreError: Its id is there.
    """
    answers: list[str | None] = []
    stands_for: dict[str, str] = {}
    for job, row in jobs:
        parents = _parents(connection, job, stands_for)
        waits_for = sum(parent["state"] != JobState.COMPLETED for parent, _ in parents.values())
        if waits_for:
            row["state"] = JobState.BLOCKED.value
        row.update(_special_columns(job, now, waits_for, row["state"]))
        answer = _insert(connection, job, row)
        answers.append(answer)
        if answer != job.id:
            if answer is not None:
                stands_for[job.id] = answer
            continue
        follow.in_line(row)
        for seq, (parent, on_failure) in parents.items():
            met = int(parent["state"] == JobState.COMPLETED)
            edge = {"seq": row["seq"], "parent_seq": seq, "on_failure": on_failure, "met": met}
            connection.execute(line_statements.INSERT_DEPENDENCY, edge)
            if not met:
                follow.waits_for(parent, row["seq"])
    return answers


def retake_unique_key(connection: SqlConnection, now: int, job: Any) -> int | None:
    """What ``unique_held`` becomes when a job is retried; ``None``: another one has its key, so it cannot be."""
    if job["unique_key"] is None or job["unique_until"] is not None:
        return int(job["unique_held"])
    named = {name: job[name] for name in ("organization_id", "type", "unique_key")}
    connection.execute(line_statements.FREE_UNIQUE_KEY, {**named, "now": now})
    return 1 if connection.execute(line_statements.UNIQUE_HOLDER, named).fetchone() is None else None


def await_again(connection: SqlConnection, seq: int) -> int:
    """Set a job's dependencies to wait for what is not finished; says how many there are."""
    rows = connection.execute(line_statements.AWAIT_AGAIN, {"seq": seq}).fetchall()
    return sum(not row["met"] for row in rows)


def _parents(
    connection: SqlConnection, job: NewJob, stands_for: dict[str, str]
) -> dict[int, tuple[Any, str]]:
    found: dict[int, tuple[Any, str]] = {}
    for each in job.depends_on:
        # A job of this call that was not needed is stood for by the one that was there.
        parent_id = stands_for.get(each.job_id, each.job_id)
        parent = connection.execute(line_statements.AWAIT_PARENT, {"id": parent_id}).fetchone()
        if parent is None:
            raise UnknownName(
                "job", each.job_id, (), remedy="a job can wait only for jobs that are in the store"
            )
        found.setdefault(parent["seq"], (parent, each.on_failure.value))
    return found


def _special_columns(job: NewJob, now: int, waits_for: int, state: str) -> dict[str, Any]:
    unique, rate = job.unique, job.rate
    return {
        "waits_for": waits_for,
        "unique_key": None if unique is None else unique.key,
        "unique_until": None if unique is None or unique.seconds is None else now + span(unique.seconds),
        "unique_held": int(unique is not None),
        "concurrency_key": job.concurrency_key,
        "concurrency_limit": job.concurrency_limit,
        "rate_limit": None if rate is None else rate.count,
        "rate_us": None if rate is None else span(rate.seconds),
        "hold": "concurrency" if job.concurrency_key is not None and state == JobState.PENDING else None,
        "schedule": job.schedule,
        "fire_at": job.fire_at,
    }


def _insert(connection: SqlConnection, job: NewJob, row: dict[str, Any]) -> str | None:
    """Insert a job, or say what is there instead of it; see :func:`insert_special`."""
    if job.unique is not None:
        connection.execute(line_statements.FREE_UNIQUE_KEY, row)
    has_item = job.batch_id is not None and job.item_key is not None
    for _ in range(_TRIES):
        if connection.execute(INSERT_SPECIAL_JOB, row).rowcount:
            return job.id
        if has_item and connection.execute(line_statements.ITEM_KNOWN, row).fetchone() is not None:
            return None
        if job.unique is not None:
            holder = connection.execute(line_statements.UNIQUE_HOLDER, row).fetchone()
            if holder is not None and holder["id"] != job.id:
                return str(holder["id"])
        if job.unique is None or connection.execute(STATE_OF, row).fetchone() is not None:
            break
        # Where writers are not serial, the job that had the key may have ended between the two statements.
    raise StoreError(f"the store refuses these jobs, none was enqueued: the id {job.id} is there already")
