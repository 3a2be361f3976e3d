"""The store itself. Writes go through the group writer, reads through the pool."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pitchey_core.errors import StoreError
from pitchey_core.pricing import PriceBook
from pitchey_runner.store.interface import MemoryOf, built_in_memory
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
from pitchey_runner.store.sqlite import producing, rescuing, settling, statements, working
from pitchey_runner.store.sqlite.connection import ChangeWatch, ReaderPool, patiently
from pitchey_runner.store.sqlite.queue_store import QueueHalf
from pitchey_runner.store.sqlite.reading import count_statement, list_statement
from pitchey_runner.store.sqlite.rows import (
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
from pitchey_runner.store.sqlite.writer import GroupWriter

__all__ = ["SqliteStore"]

T = TypeVar("T")

_COSTS = {
    CostGroup.DAY: statements.COSTS_BY_DAY,
    CostGroup.ORGANIZATION: statements.COSTS_BY_ORGANIZATION,
}
_BEYOND_ANY = "\U0010ffff"


def _wall_clock() -> int:
    return time.time_ns() // 1000


class SqliteStore(QueueHalf):
    """A job store in one file, whose schema is current (see :func:`~.schema.ensure_current`).

    Args:
        path: Absolute path of the file.
        prices: What lost attempts cost.
        clock: Microseconds since 1970 UTC.
    """

    def __init__(self, path: Path, *, prices: PriceBook, clock: Callable[[], int] = _wall_clock) -> None:
        self.url = f"sqlite:///{path}"
        self._path = path
        self._prices = prices
        self._clock = clock
        self._pid = os.getpid()
        self._writer = GroupWriter(path)
        self._readers = ReaderPool(path)
        self._watch = ChangeWatch(path)

    # -- life ---------------------------------------------------------------------------------------

    def close(self) -> None:
        if os.getpid() != self._pid:
            return
        self._writer.close()
        self._readers.close()
        self._watch.close()

    def now(self) -> datetime:
        return moment(self._clock())

    def change_counter(self) -> int:
        self._refuse_fork()
        return self._watch.counter()

    # -- producers ----------------------------------------------------------------------------------

    def enqueue(self, jobs: Sequence[NewJob], *, claimed_by: WorkerInfo | None = None) -> list[str | None]:
        if not jobs:
            return []
        rows = producing.prepare(jobs, claimed_by)
        return self._write(producing.enqueue, rows, claimed_by)

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
    ) -> list[Directive]:
        return self._write(working.beat, worker_id, beats, cpu_percent, memory_percent)

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
        memory_of: MemoryOf = built_in_memory,
    ) -> list[Rescue]:
        named = {"dead": to_json(sorted(dead_workers)), "now": self._clock()}
        if limit <= 0 or not self._read(statements.ANY_LOST, named):
            return []
        return self._write(rescuing.rescue, rescuer, dead_workers, limit, self._prices, memory_of)

    def promote_due(self, limit: int = 1000) -> int:
        if limit <= 0 or not self._read(statements.ANY_DUE, {"now": self._clock()}):
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
        return {JobState(row[0]): row[1] for row in self._read(*count_statement(where))}

    def next_due(self, batch_id: str | None = None) -> float | None:
        statement = statements.NEXT_DUE if batch_id is None else statements.NEXT_DUE_OF_BATCH
        due = self._read(statement, {"batch_id": batch_id})[0][0]
        return None if due is None else max(0, due - self._clock()) / MICROS

    def attempts(self, job_id: str) -> list[Attempt]:
        return [as_attempt(row) for row in self._read(statements.ATTEMPTS, {"id": job_id})]

    def events(self, *, job_id: str | None = None, after: int = 0, limit: int = 1000) -> list[JobEvent]:
        statement = statements.EVENTS if job_id is None else statements.EVENTS_OF_JOB
        named = {"id": job_id, "after": after, "limit": max(0, limit)}
        return [as_event(row) for row in self._read(statement, named)]

    def last_event(self) -> int:
        return int(self._read(statements.LAST_EVENT)[0][0])

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

    # -- where statements run -------------------------------------------------------------------------

    def _write(self, operation: Callable[..., T], *arguments: Any) -> T:
        self._refuse_fork()
        # The clock is read inside the transaction: a wait for the lock must not age a lease.
        return self._writer.write(lambda connection: operation(connection, self._clock(), *arguments))

    def _read(self, statement: str, named: dict[str, Any] | None = None) -> Sequence[sqlite3.Row]:
        return self._look(lambda connection: connection.execute(statement, named or {}).fetchall())

    def _look(self, query: Callable[[sqlite3.Connection], T]) -> T:
        self._refuse_fork()
        with self._readers.connection() as connection:
            return patiently(lambda: query(connection))

    def _refuse_fork(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError(
                f"{self._path}: this store was opened before a fork; SQLite connections do not survive one",
                remedy="call open_store() again in the child process",
            )
