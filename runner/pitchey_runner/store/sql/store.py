"""The store itself, on whatever database: which transaction answers which call, and what is read without one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, TypeVar

from pitchey_core.pricing import PriceBook
from pitchey_runner.store.records import (
    EVERYTHING,
    Attempt,
    Beat,
    Claim,
    ClaimedJob,
    CostGroup,
    CostRow,
    Directive,
    JobEvent,
    JobFilter,
    JobRecord,
    JobState,
    ManifestCommit,
    NewJob,
    Rescue,
    Settlement,
    WorkerInfo,
    WorkerRecord,
)
from pitchey_runner.store.room import Room
from pitchey_runner.store.sql import producing, rescuing, settling, statements, working
from pitchey_runner.store.sql.queue_store import QueueHalf
from pitchey_runner.store.sql.reading import count_statement, list_statement
from pitchey_runner.store.sql.rows import (
    MICROS,
    as_attempt,
    as_claimed,
    as_event,
    as_record,
    as_worker,
    micros,
    moment,
    to_json,
)

__all__ = ["QUIET", "SqlStore"]

T = TypeVar("T")

QUIET: Final = frozenset({
    working.beat, working.claim, working.commit_manifests, working.register_worker, working.remove_worker,
})  # fmt: skip
"""Operations after which nobody has to be woken: who looks for what they change also looks by itself."""

_COSTS = {
    CostGroup.DAY: statements.COSTS_BY_DAY,
    CostGroup.ORGANIZATION: statements.COSTS_BY_ORGANIZATION,
}
_BEYOND_ANY = "\U0010ffff"


class SqlStore(QueueHalf):
    """A job store in a database whose schema is current. A driver says where statements run.

    Args:
        prices: What lost attempts cost.
    """

    def __init__(self, *, prices: PriceBook) -> None:
        self._prices = prices

    def now(self) -> datetime:
        return moment(self._clock())

    # -- producers ----------------------------------------------------------------------------------

    def enqueue(self, jobs: Sequence[NewJob], *, claimed_by: WorkerInfo | None = None) -> list[str | None]:
        if not jobs:
            return []
        return self._write(producing.enqueue, producing.prepare(jobs, claimed_by), claimed_by)

    def cancel(self, ids: Sequence[str]) -> list[JobState | None]:
        return self._write(producing.cancel, ids) if ids else []

    def retry(self, ids: Sequence[str]) -> list[JobState | None]:
        return self._write(producing.retry, ids) if ids else []

    def purge(self, ids: Sequence[str]) -> int:
        return self._write(producing.purge, ids) if ids else 0

    # -- workers ------------------------------------------------------------------------------------

    def register_worker(self, worker: WorkerInfo) -> None:
        self._write(working.register_worker, worker)

    def remove_worker(self, worker_id: str) -> None:
        self._write(working.remove_worker, worker_id)

    def workers(self) -> list[WorkerRecord]:
        return [as_worker(row) for row in self._read(statements.WORKERS)]

    def claim(
        self, worker: WorkerInfo, job_type: str, limit: int, *, batch_id: str | None = None
    ) -> list[ClaimedJob]:
        named = {"type": job_type, "batch_id": batch_id}
        ready = statements.ANY_READY if batch_id is None else statements.ANY_READY_OF_BATCH
        # Looking first costs microseconds, and an idle worker keeps out of the writers' way.
        if limit <= 0 or not (found := self._read(ready, named)):
            return []
        return self._write(working.claim, worker, job_type, limit, batch_id, bool(found[0]["counted"]))

    def claimed(self, worker_id: str) -> list[ClaimedJob]:
        return [as_claimed(row) for row in self._read(statements.CLAIMED, {"worker_id": worker_id})]

    def beat(
        self,
        worker_id: str,
        beats: Sequence[Beat],
        *,
        cpu_percent: float | None = None,
        memory_percent: float | None = None,
        room: Room | None = None,
    ) -> list[Directive]:
        return self._write(working.beat, worker_id, beats, cpu_percent, memory_percent, room)

    def cancellations(self, worker_id: str) -> list[Claim]:
        rows = self._read(statements.CANCELLATIONS, {"worker_id": worker_id})
        return [Claim(row["id"], row["claim_seq"]) for row in rows]

    def commit_manifests(self, commits: Sequence[ManifestCommit]) -> list[bool]:
        return self._write(working.commit_manifests, commits) if commits else []

    def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        return self._write(settling.settle, settlements) if settlements else []

    def release(self, claims: Sequence[Claim]) -> list[bool]:
        return self._write(working.release, claims) if claims else []

    def rescue(
        self,
        rescuer: WorkerInfo,
        dead_workers: Collection[str] = (),
        *,
        limit: int = 500,
        at: datetime | None = None,
    ) -> list[Rescue]:
        latest = None if at is None else micros(at)
        now = self._clock() if latest is None else latest
        named = {"dead": to_json(sorted(dead_workers)), "now": now}
        if limit <= 0 or not self._read(statements.ANY_LOST, named):
            return []
        return self._write(rescuing.rescue, rescuer, dead_workers, limit, latest, self._prices)

    def promote_due(self, limit: int = 1000) -> int:
        if limit <= 0 or not self._read_now(statements.ANY_DUE):
            return 0
        return self._write(working.promote_due, limit)

    # -- readers ------------------------------------------------------------------------------------

    def get(self, job_id: str) -> JobRecord | None:
        rows = self._read(statements.GET, {"id": job_id})
        return as_record(rows[0]) if rows else None

    def find(self, prefix: str) -> list[str]:
        rows = self._read(statements.FIND, {"prefix": prefix, "beyond": prefix + _BEYOND_ANY})
        return [row["id"] for row in rows]

    def counts(self, where: JobFilter = EVERYTHING) -> dict[JobState, int]:
        return {JobState(row["state"]): row["jobs"] for row in self._read(*count_statement(where))}

    def next_due(self, batch_id: str | None = None) -> float | None:
        statement = statements.NEXT_DUE if batch_id is None else statements.NEXT_DUE_OF_BATCH
        due = self._read(statement, {"batch_id": batch_id})[0]["due"]
        return None if due is None else max(0, due - self._clock()) / MICROS

    def attempts(self, job_id: str) -> list[Attempt]:
        return [as_attempt(row) for row in self._read(statements.ATTEMPTS, {"id": job_id})]

    def events(self, *, job_id: str | None = None, after: int = 0, limit: int = 1000) -> list[JobEvent]:
        statement = statements.EVENTS if job_id is None else statements.EVENTS_OF_JOB
        named = {"id": job_id, "after": after, "limit": max(0, limit)}
        return [as_event(row) for row in self._read(statement, named)]

    def last_event(self) -> int:
        return int(self._read(statements.LAST_EVENT)[0]["seq"])

    def costs(self, group: CostGroup, *, since: datetime | None = None) -> list[CostRow]:
        rows = self._read(
            _COSTS.get(group, statements.COSTS_BY_TYPE), {"since": 0 if since is None else micros(since)}
        )
        return [CostRow(**dict(row)) for row in rows]

    # Last, because below it the name would hide the built-in type in annotations.
    def list(
        self, where: JobFilter = EVERYTHING, *, limit: int = 100, newest_first: bool = True
    ) -> list[JobRecord]:
        return [
            as_record(row) for row in self._read(*list_statement(where, limit, newest_first=newest_first))
        ]
