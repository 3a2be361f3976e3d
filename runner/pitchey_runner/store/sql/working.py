"""Transactions of those who do work: claim, beat, commit manifests, release, promote.

Every function here runs inside the store's transaction; ``now`` is in microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from pitchey_runner.store.records import (
    AttemptOutcome,
    Beat,
    Claim,
    ClaimedJob,
    Directive,
    JobState,
    ManifestCommit,
    WorkerInfo,
)
from pitchey_runner.store.room import Room
from pitchey_runner.store.sql import statements
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.consequences import Consequences
from pitchey_runner.store.sql.events import Happening, record
from pitchey_runner.store.sql.line_statements import FREE_HELD
from pitchey_runner.store.sql.lines import Key, choose, rebalance
from pitchey_runner.store.sql.rows import as_claimed, by_name, printable, span, to_json

__all__ = [
    "beat",
    "begin_attempts",
    "claim",
    "commit_manifests",
    "ensure_worker",
    "promote_due",
    "register_worker",
    "release",
    "remove_worker",
]

_DEFAULT_LEASE_SECONDS = 30.0


def register_worker(connection: SqlConnection, now: int, worker: WorkerInfo) -> None:
    row = {
        "id": worker.id,
        "host": worker.host,
        "boot_id": worker.boot_id,
        "pid": worker.pid,
        "pid_started": worker.pid_started,
        "pid_namespace": worker.pid_namespace,
        "types": to_json(worker.types),
        "lease_seconds": worker.lease_seconds,
        "now": now,
    }
    connection.execute(statements.REGISTER_WORKER, row)


def ensure_worker(connection: SqlConnection, now: int, worker: WorkerInfo) -> None:
    """Register a worker that somebody took for dead and removed, yet still claims."""
    if connection.execute(statements.WORKER_KNOWN, {"id": worker.id}).fetchone() is None:
        register_worker(connection, now, worker)


def remove_worker(connection: SqlConnection, _now: int, worker_id: str) -> None:
    connection.execute(statements.REMOVE_WORKER, {"id": worker_id})


def claim(
    connection: SqlConnection,
    now: int,
    worker: WorkerInfo,
    job_type: str,
    limit: int,
    batch_id: str | None,
    counted: bool,
) -> list[ClaimedJob]:
    """Claim; ``counted``: limits may keep some jobs back, and there may be jobs with keys."""
    statement = statements.CLAIM if batch_id is None else statements.CLAIM_OF_BATCH
    named = {
        "worker_id": worker.id,
        "lease_until": now + span(worker.lease_seconds),
        "now": now,
        "type": job_type,
        "batch_id": batch_id,
        "limit": limit,
    }
    keys: set[Key] = set()
    if counted:
        seqs, keys = choose(connection, now, job_type, limit, batch_id)
        found = [connection.execute(statements.CLAIM_ONE, {**named, "seq": seq}).fetchone() for seq in seqs]
        rows = [row for row in found if row is not None]
    else:
        rows = connection.execute(statement, named).fetchall()
    # RETURNING promises no order.
    rows = sorted(by_name(rows), key=itemgetter("sort_key", "seq"))
    if rows:
        ensure_worker(connection, now, worker)
        begin_attempts(
            connection, now, worker.id, [(row["seq"], row["claim_seq"], row["attempt"]) for row in rows]
        )
    if keys:
        rebalance(connection, keys)
    return [as_claimed(row) for row in rows]


def begin_attempts(
    connection: SqlConnection, now: int, worker_id: str, claims: Sequence[tuple[int, int, int]]
) -> None:
    """Write attempt and event rows for claims: the job's ``seq``, ``claim_seq``, number of the attempt."""
    if not claims:
        return
    seqs, claim_seqs, numbers = zip(*claims, strict=True)
    columns = {
        "seq": seqs,
        "claim_seq": claim_seqs,
        "number": numbers,
        "worker_id": [worker_id] * len(claims),
        "now": [now] * len(claims),
    }
    connection.insert(statements.INSERT_ATTEMPT, columns)
    record(
        connection,
        now,
        [
            (seq, "claimed", JobState.PROCESSING, {"attempt": number, "worker_id": worker_id})
            for seq, _, number in claims
        ],
    )


def beat(
    connection: SqlConnection,
    now: int,
    worker_id: str,
    beats: Sequence[Beat],
    cpu_percent: float | None,
    memory_percent: float | None,
    room: Room | None,
) -> list[Directive]:
    seen = {
        "worker_id": worker_id,
        "now": now,
        "cpu_percent": cpu_percent,
        "memory_percent": memory_percent,
        "room": None if room is None else to_json(room.as_record()),
    }
    row = connection.execute(statements.SEE_WORKER, seen).fetchone()
    lease_until = now + span(_DEFAULT_LEASE_SECONDS if row is None else row["lease_seconds"])
    latest = {each.claim: each for each in beats}
    rows = [
        {
            "id": claim.job_id,
            "claim_seq": claim.claim_seq,
            "worker_id": worker_id,
            "lease_until": lease_until,
            "progress": each.progress,
            "message": printable(each.message),
        }
        for claim, each in latest.items()
    ]
    answers = dict(zip(latest, connection.each(statements.BEAT, rows), strict=True))
    usages = [
        {
            "seq": row["seq"],
            "claim_seq": claim.claim_seq,
            "usage": to_json(each.usage.as_record()),
            "enforced_by": each.enforced_by,
            "reserved_memory_bytes": each.reserved_memory_bytes,
        }
        for claim, each in latest.items()
        if (row := answers[claim]) is not None and each.usage is not None
    ]
    connection.executemany(statements.BEAT_USAGE, usages)
    return [_directive(answers[each.claim]) for each in beats]


def _directive(row: Any) -> Directive:
    if row is None:
        return Directive.LOST
    if row["cancel_requested"]:
        return Directive.CANCEL
    return Directive.PAUSE if row["pause_requested"] else Directive.CONTINUE


def commit_manifests(connection: SqlConnection, _now: int, commits: Sequence[ManifestCommit]) -> list[bool]:
    rows = [
        {
            "id": each.claim.job_id,
            "claim_seq": each.claim.claim_seq,
            "manifest": to_json(each.manifest),
            "settlement": to_json(each.settlement),
        }
        for each in commits
    ]
    return [connection.execute(statements.COMMIT_MANIFEST, row).rowcount > 0 for row in rows]


def release(connection: SqlConnection, now: int, claims: Sequence[Claim]) -> list[bool]:
    happened: list[Happening] = []
    answers: list[bool] = []
    follow = Consequences(connection, now)
    for each in claims:
        named = {"id": each.job_id, "claim_seq": each.claim_seq, "now": now}
        row = connection.execute(statements.RELEASE, named).fetchone()
        answers.append(row is not None)
        if row is None:
            continue
        closing = {
            **named,
            "seq": row["seq"],
            "outcome": AttemptOutcome.RELEASED.value,
            "error": None,
            "usage": None,
            "cost_nanos": 0,
            "log_path": None,
            "enforced_by": None,
            "reserved_memory_bytes": None,
        }
        connection.execute(statements.CLOSE_ATTEMPT, closing)
        state = JobState(row["state"])
        kind = "cancelled" if state is JobState.CANCELLED else "released"
        happened.append((row["seq"], kind, state, None))
        follow.of(row)
    record(connection, now, happened)
    follow.write()
    return answers


def promote_due(connection: SqlConnection, now: int, limit: int) -> int:
    rows = connection.execute(statements.PROMOTE_DUE, {"now": now, "limit": limit}).fetchall()
    rows.sort(key=lambda row: (row["run_at"], row["seq"]))
    record(connection, now, [(row["seq"], "due", JobState.PENDING, None) for row in rows])
    follow = Consequences(connection, now)
    for row in (*rows, *connection.execute(FREE_HELD, {"now": now, "limit": limit}).fetchall()):
        follow.in_line(row)
    follow.write()
    return len(rows)
