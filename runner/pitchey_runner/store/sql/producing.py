"""Transactions of those who give work: enqueue, cancel, retry, purge.

Every function here runs inside the store's transaction; ``now`` is in microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from operator import attrgetter
from typing import Any, Final

from pitchey_core.errors import StoreError
from pitchey_runner.store.records import JobState, NewJob, Priority, WorkerInfo
from pitchey_runner.store.sql import line_statements, statements
from pitchey_runner.store.sql.budgets import refuse_over_budget
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.consequences import Consequences
from pitchey_runner.store.sql.events import Happening, record, record_enqueued
from pitchey_runner.store.sql.rows import span, to_json
from pitchey_runner.store.sql.special import await_again, insert_special, is_special, retake_unique_key
from pitchey_runner.store.sql.working import begin_attempts, ensure_worker

__all__ = ["Prepared", "cancel", "enqueue", "prepare", "purge", "retry"]

_AS_GIVEN: Final = (
    "id", "organization_id", "submitted_by", "type", "max_attempts", "batch_id", "item_key", "input_digest",
    "input_bytes", "trace_parent", "instance_type", "plugin_version", "wall_limit", "output",
)  # fmt: skip
_HEAD_STARTS: Final = {each: span(each.head_start_seconds) for each in Priority}


@dataclass(frozen=True, slots=True)
class Prepared:
    """Jobs for :func:`enqueue`, and all columns of their rows that do not depend on its time.

    Column by column: most are the same for all jobs, and no row has to be made of thousands that go in together.
    """

    jobs: Sequence[NewJob]
    columns: dict[str, Sequence[Any]]


def prepare(jobs: Sequence[NewJob], claimed_by: WorkerInfo | None) -> Prepared:
    """Made in the caller's thread, not in the writer's."""
    claimed = [int(claimed_by is not None)] * len(jobs)
    columns: dict[str, Sequence[Any]] = {name: [*map(attrgetter(name), jobs)] for name in _AS_GIVEN}
    columns |= {
        "priority": [job.priority._value_ for job in jobs],
        "overwrite": [int(job.overwrite) for job in jobs],
        "payload": [to_json(job.payload) for job in jobs],
        "attempt": claimed,
        "claim_seq": claimed,
        "worker_id": [None if claimed_by is None else claimed_by.id] * len(jobs),
    }
    return Prepared(jobs, columns)


def enqueue(
    connection: SqlConnection,
    now: int,
    prepared: Prepared,
    claimed_by: WorkerInfo | None,
    *,
    lines_later: bool = False,
) -> list[str | None]:
    """Insert jobs; ``lines_later``: jobs with a key get their place in line from who looks for what is due, once they
    are committed, so that nobody who has to count waits for a transaction that may be long."""
    jobs = prepared.jobs
    refuse_over_budget(connection, now, jobs)
    seqs = connection.new_job_numbers(len(jobs))
    columns = {"seq": seqs, **prepared.columns, **_times(jobs, now, claimed_by)}
    states = columns["state"]
    follow = Consequences(connection, now)
    try:
        # Only jobs that can collide, or wait, are worth a call each: the others go in four times as fast.
        if any(map(is_special, jobs)):
            if claimed_by is not None and any(job.depends_on for job in jobs):
                raise StoreError("a job that waits for others cannot be claimed already")
            rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
            answers = insert_special(connection, now, [*zip(jobs, rows, strict=True)], follow)
            new = [answer == job.id for job, answer in zip(jobs, answers, strict=True)]
            seqs, jobs = [*compress(seqs, new)], [*compress(jobs, new)]
            states = [row["state"] for row in compress(rows, new)]
        else:
            connection.insert(statements.INSERT_JOB, columns)
            answers = [*columns["id"]]
        record_enqueued(connection, now, seqs, states)
        connection.answered()
    except connection.refusal as error:
        raise StoreError(f"the store refuses these jobs, none was enqueued: {error}") from error
    if claimed_by is not None:
        ensure_worker(connection, now, claimed_by)
        begin_attempts(connection, now, claimed_by.id, [(seq, 1, 1) for seq in seqs])
    follow.write(lines=not lines_later)
    if lines_later and follow.keys:
        with_key = compress(seqs, [job.concurrency_key is not None for job in jobs])
        connection.executemany(
            line_statements.ENTER_LINE_LATER, [{"seq": seq, "now": now} for seq in with_key]
        )
    return answers


def _times(jobs: Sequence[NewJob], now: int, claimed_by: WorkerInfo | None) -> dict[str, Sequence[Any]]:
    run_at = [now + span(job.delay_seconds) if job.delay_seconds else now for job in jobs]
    if claimed_by is None:
        states = [(JobState.PENDING if at == now else JobState.SCHEDULED)._value_ for at in run_at]
        started_at = lease_until = None
    else:
        states = [JobState.PROCESSING._value_] * len(jobs)
        started_at, lease_until = now, now + span(claimed_by.lease_seconds)
    return {
        "now": [now] * len(jobs),
        "run_at": run_at,
        "sort_key": [at - _HEAD_STARTS[job.priority] for at, job in zip(run_at, jobs, strict=True)],
        "state": states,
        "started_at": [started_at] * len(jobs),
        "lease_until": [lease_until] * len(jobs),
    }


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
