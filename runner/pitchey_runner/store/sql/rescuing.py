"""What becomes of the jobs of a worker that is gone.

Everything here runs inside the store's transaction; ``now`` is in microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from pitchey_core.errors import SlotCrashed
from pitchey_core.pricing import PriceBook, Usage
from pitchey_runner.store.records import (
    AttemptOutcome,
    Claim,
    ClaimedJob,
    JobState,
    Rescue,
    Settlement,
    WorkerInfo,
)
from pitchey_runner.store.sql import statements
from pitchey_runner.store.sql.connection import Row, SqlConnection
from pitchey_runner.store.sql.rows import as_claimed, span, to_json
from pitchey_runner.store.sql.settling import Endings
from pitchey_runner.store.sql.working import ensure_worker

__all__ = ["rescue"]

_LOST_TOO_OFTEN = 3
_BACKOFF_CAP_SECONDS = 60.0


def rescue(
    connection: SqlConnection,
    now: int,
    rescuer: WorkerInfo,
    dead_workers: Collection[str],
    limit: int,
    latest: int | None,
    prices: PriceBook,
) -> list[Rescue]:
    """Take over; leases that have expired after ``latest``, in microseconds, hold."""
    judged_at = now if latest is None else min(now, latest)
    named = {"dead": to_json(sorted(dead_workers)), "now": judged_at, "limit": limit}
    rows = connection.execute(statements.LOST, named).fetchall()
    endings = Endings(connection, now)
    rescues = []
    for row in rows:
        if row["manifest"] is None:
            usage, reserved = _last_heard(connection, row)
            cost = prices.cost(usage, reserved_memory_bytes=reserved)
            rescues.append(_lose(endings, row, usage, cost))
            continue
        taken = _take_over(connection, now, row, rescuer)
        rescues.append(Rescue(row["id"], JobState.PROCESSING, rolled_forward=taken))
        data = {"worker_id": rescuer.id, "from": row["worker_id"]}
        endings.happenings.append((row["seq"], "taken_over", JobState.PROCESSING, data))
    if rows:
        ensure_worker(connection, now, rescuer)
        endings.write()
    return rescues


def _lose(endings: Endings, row: Row, usage: Usage, cost_nanos: int) -> Rescue:
    claim = Claim(row["id"], row["claim_seq"])
    losses = row["lost_count"] + 1
    error = SlotCrashed(f"worker {row['worker_id']} was lost while it ran this job")
    if row["cancel_requested"]:
        state = JobState.CANCELLED
    elif losses >= _LOST_TOO_OFTEN:
        state = JobState.FAILED
        error = SlotCrashed(
            f"{losses} workers were lost while they ran this job; it is not run again",
            remedy=f"see why, then: pitchey-run retry {claim.job_id}",
        )
    else:
        state = JobState.SCHEDULED
    ending = Settlement(
        claim=claim,
        outcome=AttemptOutcome.LOST,
        state=state,
        error=error.as_record(),
        usage=usage,
        cost_nanos=cost_nanos,
        retry_in=0.0 if losses == 1 else min(2.0**losses, _BACKOFF_CAP_SECONDS),
    )
    endings.end([ending])
    return Rescue(claim.job_id, state)


def _last_heard(connection: SqlConnection, row: Row) -> tuple[Usage, int]:
    """What a lost attempt was known to have used, and the memory that it had reserved."""
    named = {"seq": row["seq"], "claim_seq": row["claim_seq"]}
    attempt = connection.execute(statements.LAST_USAGE, named).fetchone()
    usage = Usage() if attempt["usage"] is None else Usage.from_record(json.loads(attempt["usage"]))
    reserved = attempt["reserved_memory_bytes"]
    # Where nobody has said so, what was used is the least that was reserved.
    return usage.with_(complete=False), usage.peak_memory_bytes if reserved is None else int(reserved)


def _take_over(connection: SqlConnection, now: int, row: Row, rescuer: WorkerInfo) -> ClaimedJob:
    named = {
        "id": row["id"],
        "seq": row["seq"],
        "claim_seq": row["claim_seq"],
        "worker_id": rescuer.id,
        "lease_until": now + span(rescuer.lease_seconds),
    }
    taken = connection.execute(statements.TAKE_OVER, named).fetchone()
    connection.execute(statements.TAKE_OVER_ATTEMPT, {**named, "new_seq": taken["claim_seq"]})
    return as_claimed(taken)
