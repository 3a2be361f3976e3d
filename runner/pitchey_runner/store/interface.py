"""The job store: what the runner needs of a database, and nothing of how one does it.

A store is synchronous, thread-safe and list-shaped: each call is one transaction over many jobs. Every write
that a worker makes carries ``(id, claim_seq)``; where the claim is no longer current the write does nothing
and says so. ``claim_seq`` rises at each claim of a job and is never reset, so a worker that was given up for
dead cannot finish a job that runs again elsewhere.

All times are UTC, set by the store's own clock (:meth:`JobStore.now`), never by a worker's. Money is in
nano-dollars.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Self

from pitchey_runner.store.queue_interface import QueueStore
from pitchey_runner.store.queue_records import (
    ALL_QUEUES,
    Budget,
    BudgetAction,
    BudgetEvent,
    BudgetPeriod,
    BudgetScope,
    BudgetStatus,
    Estimate,
    Explanation,
    Hold,
    Missed,
    NewSchedule,
    QueueLimits,
    QueueRecord,
    Reason,
    ReasonKind,
    ScheduleRecord,
    most_slots,
)
from pitchey_runner.store.records import (
    EVERYTHING,
    TRANSITIONS,
    Attempt,
    AttemptOutcome,
    Beat,
    Claim,
    ClaimedJob,
    CostGroup,
    CostRow,
    Dependency,
    Directive,
    JobEdit,
    JobEvent,
    JobFilter,
    JobRecord,
    JobState,
    ManifestCommit,
    NewJob,
    OnFailure,
    Priority,
    RateLimit,
    Rescue,
    Settlement,
    Unique,
    WorkerInfo,
    WorkerRecord,
)
from pitchey_runner.store.room import Lane, Need, Room

__all__ = [
    "ALL_QUEUES",
    "EVERYTHING",
    "TRANSITIONS",
    "Attempt",
    "AttemptOutcome",
    "Beat",
    "Budget",
    "BudgetAction",
    "BudgetEvent",
    "BudgetPeriod",
    "BudgetScope",
    "BudgetStatus",
    "Claim",
    "ClaimedJob",
    "CostGroup",
    "CostRow",
    "Dependency",
    "Directive",
    "Estimate",
    "Explanation",
    "Hold",
    "JobEdit",
    "JobEvent",
    "JobFilter",
    "JobRecord",
    "JobState",
    "JobStore",
    "Lane",
    "ManifestCommit",
    "Missed",
    "Need",
    "NewJob",
    "NewSchedule",
    "OnFailure",
    "Priority",
    "QueueLimits",
    "QueueRecord",
    "RateLimit",
    "Reason",
    "ReasonKind",
    "Rescue",
    "Room",
    "ScheduleRecord",
    "Settlement",
    "Unique",
    "WorkerInfo",
    "WorkerRecord",
    "most_slots",
]


class JobStore(QueueStore):
    """See the module's docstring.

    Raises (every method): :class:`~pitchey_core.errors.StoreError` when the database cannot be used, and
    :class:`~pitchey_core.errors.OutOfSpace` when its disk is full. No method raises for a lost claim: that is
    an answer.
    """

    url: str

    # -- life ----------------------------------------------------------------------------------------------

    @abstractmethod
    def close(self) -> None:
        """Flush and close. Safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def now(self) -> datetime:
        """The store's clock, UTC."""

    @abstractmethod
    def change_counter(self) -> int:
        """A number that differs after another connection has committed what somebody may wait for: jobs that became
        ready, were cancelled or ended. Cheap enough to poll each 5 ms. It is a hint, and may come a moment late."""

    @abstractmethod
    def wait_for_change(self, seen: int, timeout: float) -> int:
        """Wait until :meth:`change_counter` differs from ``seen``, for ``timeout`` seconds at most; what it is then."""

    # -- producers -----------------------------------------------------------------------------------------

    @abstractmethod
    def enqueue(self, jobs: Sequence[NewJob], *, claimed_by: WorkerInfo | None = None) -> list[str | None]:
        """Insert jobs, all or none; durable when it returns.

        A job whose ``(batch_id, item_key)`` is already there is not inserted: its place in the answer is
        ``None``. Nor is one whose unique key is taken: in its place stands the id of the job that has it.
        A job with dependencies that are not completed is ``blocked``; one that depends on a job which failed
        or was cancelled before is treated as if that happened now. With ``claimed_by`` the jobs are inserted
        as already claimed by that (registered) worker, ``claim_seq`` 1, attempt 1, whatever limits there are;
        the claim is read back with :meth:`claimed`.

        Raises:
            UnknownName: A job depends on one that is neither in the store nor an earlier one of this call.
            BudgetExceeded: A budget that covers one of the jobs is used up and refuses new ones.
        """

    @abstractmethod
    def cancel(self, ids: Sequence[str]) -> list[JobState | None]:
        """Cancel jobs. Waiting ones become ``cancelled`` at once; for running ones the owner is told at its
        next heartbeat, and the state in the answer is still ``processing``. Finished ones keep their state;
        ``None``: no such job. A job whose manifest is committed can no longer be cancelled and completes."""

    @abstractmethod
    def retry(self, ids: Sequence[str]) -> list[JobState | None]:
        """Make ``failed`` and ``cancelled`` jobs ``pending`` again with all their attempts before them.

        The attempt history is kept. Jobs in other states keep their state, and so do those whose unique key
        another job has by now. One that depends on jobs which are not finished is ``blocked`` by them again;
        over those that failed or were cancelled the retry has the last word. What was cancelled with a job
        that it depended on is not brought back with it: retry both."""

    @abstractmethod
    def purge(self, ids: Sequence[str]) -> int:
        """Delete finished jobs with their attempts and events; says how many. The ledger is kept.

        A job that others still wait for stays."""

    # -- workers -------------------------------------------------------------------------------------------

    @abstractmethod
    def register_worker(self, worker: WorkerInfo) -> None: ...

    @abstractmethod
    def remove_worker(self, worker_id: str) -> None:
        """Forget a worker that has no claims left."""

    @abstractmethod
    def workers(self) -> list[WorkerRecord]: ...

    @abstractmethod
    def claim(
        self, worker: WorkerInfo, job_type: str, limit: int, *, batch_id: str | None = None
    ) -> list[ClaimedJob]:
        """Claim up to ``limit`` ready jobs of one type, in the order of the line (see :class:`Priority`).

        Pauses, limits, rates and budgets are kept to, exactly, by all claimers together."""

    @abstractmethod
    def claimed(self, worker_id: str) -> list[ClaimedJob]:
        """What a worker holds now."""

    @abstractmethod
    def beat(
        self,
        worker_id: str,
        beats: Sequence[Beat],
        *,
        cpu_percent: float | None = None,
        memory_percent: float | None = None,
        room: Room | None = None,
    ) -> list[Directive]:
        """Extend the leases of a worker's jobs, and mark the worker itself as alive. One answer per beat.

        ``cpu_percent`` and ``memory_percent`` are the load of its host, ``room`` what it has for jobs; ``None`` leaves
        what is stored.
        """

    @abstractmethod
    def cancellations(self, worker_id: str) -> list[Claim]:
        """Running jobs of this worker whose cancellation was asked for; a cheap read, polled each 250 ms."""

    @abstractmethod
    def commit_manifests(self, commits: Sequence[ManifestCommit]) -> list[bool]:
        """Commit what will be published, before it is. ``False``: claim lost, or cancellation asked for."""

    @abstractmethod
    def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """End attempts: job state, attempt row, event and ledger entry in one transaction.

        ``False``: claim lost.
        """

    @abstractmethod
    def release(self, claims: Sequence[Claim]) -> list[bool]:
        """Give jobs back unrun: ``pending`` again, in their old place, no attempt burned.

        Those whose cancellation was asked for become ``cancelled``. ``False``: claim lost.
        """

    @abstractmethod
    def rescue(
        self,
        rescuer: WorkerInfo,
        dead_workers: Collection[str] = (),
        *,
        limit: int = 500,
        at: datetime | None = None,
    ) -> list[Rescue]:
        """Take over jobs of workers known to be dead, and jobs of any worker whose lease has expired.

        A lease that has expired only since ``at`` is left alone: whoever has looked at the store's clock can rely on
        what it saw, although the clock may be set in the next moment.

        Each lost attempt is closed as ``lost`` and priced from its last heartbeat, by what it had reserved and the
        store's price book, with ``usage.complete`` false. The first loss is due again at once, the second after 4 s; a
        job lost three times in all is ``failed`` (poison guard). Where a manifest was committed nothing is lost: the
        attempt goes on under the rescuer's claim, and is settled by it.
        """

    @abstractmethod
    def promote_due(self, limit: int = 1000) -> int:
        """Move ``scheduled`` jobs whose time has come to ``pending``; says how many.

        Also puts back in line what a rate or a budget has held until now."""

    # -- readers -------------------------------------------------------------------------------------------

    @abstractmethod
    def get(self, job_id: str) -> JobRecord | None: ...

    @abstractmethod
    def find(self, prefix: str) -> list[str]:
        """Ids that start with ``prefix`` (at most ten), for people who type ids."""

    @abstractmethod
    def counts(self, where: JobFilter = EVERYTHING) -> dict[JobState, int]:
        """Jobs per state; states without jobs are left out."""

    @abstractmethod
    def ready(self, batch_id: str | None = None, *, most: int | None = None) -> dict[str, int]:
        """Jobs per type that could be claimed now; the types in the order in which their first jobs stand in
        line. Of a limited queue as many as its limits let start.

        Args:
            most: Count no further than this along each line; a look then costs the same however long they are."""

    @abstractmethod
    def next_due(self, batch_id: str | None = None) -> float | None:
        """Seconds until the next ``scheduled`` job is due (0 if overdue); ``None``: none is scheduled."""

    @abstractmethod
    def attempts(self, job_id: str) -> list[Attempt]: ...

    @abstractmethod
    def events(self, *, job_id: str | None = None, after: int = 0, limit: int = 1000) -> list[JobEvent]: ...

    @abstractmethod
    def last_event(self) -> int:
        """``seq`` of the latest event; 0: there is none. Whoever follows what comes from now on begins here."""

    @abstractmethod
    def costs(self, group: CostGroup, *, since: datetime | None = None) -> list[CostRow]:
        """Cost per type, organization or day (UTC), from the ledger."""

    # Last, because below it the name would hide the built-in type in annotations.
    @abstractmethod
    def list(
        self, where: JobFilter = EVERYTHING, *, limit: int = 100, newest_first: bool = True
    ) -> list[JobRecord]:
        """Jobs in the order in which they were enqueued, the newest first unless told otherwise."""
