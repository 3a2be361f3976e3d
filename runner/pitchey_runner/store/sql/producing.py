"""Transactions of those who give work: enqueue, cancel, retry, purge.

Every function here runs inside the store's transaction; ``now`` is in microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pitchey_core.errors import StoreError
from pitchey_runner.store.records import JobState, NewJob, WorkerInfo
from pitchey_runner.store.sql import line_statements, statements
from pitchey_runner.store.sql.budgets import refuse_over_budget
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.consequences import Consequences
from pitchey_runner.store.sql.events import Happening, record
from pitchey_runner.store.sql.rows import span, to_json
from pitchey_runner.store.sql.special import await_again, insert_special, is_special, retake_unique_key
from pitchey_runner.store.sql.working import begin_attempts, ensure_worker

__all__ = ["cancel", "enqueue", "prepare", "purge", "retry"]


def prepare(jobs: Sequence[NewJob], claimed_by: WorkerInfo | None) -> list[dict[str, Any]]:
    """The rows for :func:`enqueue` without their times; made in the caller's thread, not in the writer's."""
    return [
        {
            "id": job.id,
            "organization_id": job.organization_id,
            "submitted_by": job.submitted_by,
            "type": job.type,
            "priority": job.priority.value,
            "delay": span(job.delay_seconds),
            "head_start": span(job.priority.head_start_seconds),
            "attempt": int(claimed_by is not None),
            "claim_seq": int(claimed_by is not None),
            "max_attempts": job.max_attempts,
            "worker_id": None if claimed_by is None else claimed_by.id,
            "batch_id": job.batch_id,
            "item_key": job.item_key,
            "input_digest": job.input_digest,
            "input_bytes": job.input_bytes,
            "trace_parent": job.trace_parent,
            "instance_type": job.instance_type,
            "plugin_version": job.plugin_version,
            "wall_limit": job.wall_limit,
            "overwrite": int(job.overwrite),
            "output": job.output,
            "payload": to_json(job.payload),
            "job": job,
        }
        for job in jobs
    ]


def enqueue(
    connection: SqlConnection,
    now: int,
    rows: list[dict[str, Any]],
    claimed_by: WorkerInfo | None,
    *,
    lines_later: bool = False,
) -> list[str | None]:
    """Insert jobs; ``lines_later``: jobs with a key get their place in line from who looks for what is due, once they
    are committed, so that nobody who has to count waits for a transaction that may be long."""
    jobs: list[NewJob] = [row["job"] for row in rows]
    refuse_over_budget(connection, now, jobs)
    for seq, row in zip(connection.new_job_numbers(len(rows)), rows, strict=True):
        row["seq"] = seq
        _set_times(row, now, claimed_by)
    follow = Consequences(connection, now)
    try:
        # Only jobs that can collide, or wait, are worth a call each: the others go in four times as fast.
        if any(is_special(job) for job in jobs):
            if claimed_by is not None and any(job.depends_on for job in jobs):
                raise StoreError("a job that waits for others cannot be claimed already")
            answers = insert_special(connection, now, list(zip(jobs, rows, strict=True)), follow)
        else:
            connection.executemany(statements.INSERT_JOB, rows)
            answers = [row["id"] for row in rows]
        inserted = [row for row, answer in zip(rows, answers, strict=True) if answer == row["id"]]
        record(connection, now, [_enqueued(row) for row in inserted])
        connection.answered()
    except connection.refusal as error:
        raise StoreError(f"the store refuses these jobs, none was enqueued: {error}") from error
    if claimed_by is not None:
        ensure_worker(connection, now, claimed_by)
        begin_attempts(connection, now, claimed_by.id, [(row["seq"], 1, 1) for row in inserted])
    follow.write(lines=not lines_later)
    if lines_later and follow.keys:
        connection.executemany(line_statements.ENTER_LINE_LATER, [*_with_key(inserted)])
    return answers


def _set_times(row: dict[str, Any], now: int, claimed_by: WorkerInfo | None) -> None:
    state = JobState.SCHEDULED if row["delay"] else JobState.PENDING
    row["now"] = now
    row["run_at"] = now + row["delay"]
    row["sort_key"] = row["run_at"] - row["head_start"]
    row["started_at"] = row["lease_until"] = None
    if claimed_by is not None:
        state = JobState.PROCESSING
        row["started_at"] = now
        row["lease_until"] = now + span(claimed_by.lease_seconds)
    row["state"] = state.value


def _with_key(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (row for row in rows if row["job"].concurrency_key is not None)


def _enqueued(row: dict[str, Any]) -> Happening:
    return row["seq"], "enqueued", JobState(row["state"]), None


def cancel(connection: SqlConnection, now: int, ids: Sequence[str]) -> list[JobState | None]:
    happened: list[Happening] = []
    follow = Consequences(connection, now)
    connection.hold(ids)
    for job_id in ids:
        named = {"id": job_id, "now": now}
        if row := connection.execute(statements.CANCEL_WAITING, named).fetchone():
            happened.append((row["seq"], "cancelled", JobState.CANCELLED, None))
            follow.of(row)
        elif row := connection.execute(statements.REQUEST_CANCEL, named).fetchone():
            happened.append((row["seq"], "cancel_requested", JobState.PROCESSING, None))
    record(connection, now, happened)
    follow.write()
    return [_state(connection, job_id) for job_id in ids]


def retry(connection: SqlConnection, now: int, ids: Sequence[str]) -> list[JobState | None]:
    connection.hold(ids)
    happened: list[Happening] = []
    follow = Consequences(connection, now)
    ended = [connection.execute(statements.ENDED_JOB, {"id": job_id}).fetchone() for job_id in set(ids)]
    # The older first: what depends on them waits for them again.
    for job in sorted((row for row in ended if row is not None), key=lambda row: int(row["seq"])):
        held = retake_unique_key(connection, now, job)
        if held is None:
            continue
        waits_for = await_again(connection, job["seq"])
        named = {"id": job["id"], "now": now, "waits_for": waits_for, "unique_held": held}
        row = connection.execute(statements.RETRY, named).fetchone()
        happened.append((row["seq"], "retried", JobState(row["state"]), None))
        follow.in_line(row)
    record(connection, now, happened)
    follow.write()
    return [_state(connection, job_id) for job_id in ids]


def purge(connection: SqlConnection, _now: int, ids: Sequence[str]) -> int:
    return sum(connection.execute(statements.PURGE, {"id": job_id}).rowcount for job_id in ids)


def _state(connection: SqlConnection, job_id: str) -> JobState | None:
    row = connection.execute(statements.STATE_OF, {"id": job_id}).fetchone()
    return None if row is None else JobState(row["state"])
