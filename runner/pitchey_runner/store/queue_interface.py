"""The part of the job store's interface that is about lines: limits, pauses, schedules, budgets, reasons.

All of it is exact: limits are counted from rows in the transaction that claims, and hold for every worker on
every host together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

from pitchey_runner.store.queue_records import (
    Budget,
    BudgetEvent,
    BudgetStatus,
    Estimate,
    Explanation,
    NewSchedule,
    QueueLimits,
    QueueRecord,
    ScheduleRecord,
)
from pitchey_runner.store.records import Claim, JobEdit, JobState

__all__ = ["QueueStore"]


class QueueStore(ABC):
    """See the module's docstring; errors are those of :class:`~pitchey_runner.store.interface.JobStore`."""

    # -- queues --------------------------------------------------------------------------------------------

    @abstractmethod
    def queues(self) -> list[QueueRecord]:
        """Queues that were ever paused or limited, by name; ``*`` stands for all together."""

    @abstractmethod
    def limit_queue(self, name: str, limits: QueueLimits) -> None:
        """Set the limits of a queue, or with ``*`` those of all queues together."""

    @abstractmethod
    def pause_queue(self, name: str, *, paused: bool) -> bool:
        """Pause or resume a queue (``*``: all of them): nothing of it is claimed, what runs goes on.

        Says whether that changed anything.
        """

    @abstractmethod
    def waits_for_rate(self, types: Collection[str], batch_id: str | None = None) -> bool:
        """Whether ``pending`` jobs of these types wait for nothing but a rate, and so need nobody to act."""

    # -- single jobs ---------------------------------------------------------------------------------------

    @abstractmethod
    def pause(self, ids: Sequence[str]) -> list[JobState | None]:
        """Pause unfinished jobs. Running ones are frozen by their worker, who is told at its next heartbeat;
        waiting ones are not claimed. ``None``: no such job."""

    @abstractmethod
    def resume(self, ids: Sequence[str]) -> list[JobState | None]:
        """Undo :meth:`pause`."""

    @abstractmethod
    def pauses(self, worker_id: str) -> list[Claim]:
        """Running jobs of this worker that ought to be frozen; a cheap read, like ``cancellations``."""

    @abstractmethod
    def edit(self, job_id: str, edit: JobEdit) -> JobState | None:
        """Change a job that waits, has failed or was cancelled; others keep what they have.

        The answer is the job's state; ``None``: no such job.
        """

    @abstractmethod
    def purge_old(self, state: JobState, older_than: float, *, limit: int = 1000) -> int:
        """Delete jobs that have been in a finished state for more than ``older_than`` seconds, the first
        enqueued first, with their attempts and events; says how many. The ledger is kept."""

    # -- schedules -----------------------------------------------------------------------------------------

    @abstractmethod
    def set_schedule(self, schedule: NewSchedule) -> None:
        """Add a schedule, or replace the one of its name. It fires next at the first time that is to come.

        Raises:
            UsageError: The cron expression or the time zone is none.
        """

    @abstractmethod
    def remove_schedule(self, name: str) -> bool:
        """Forget a schedule; the jobs that it has enqueued stay."""

    @abstractmethod
    def enable_schedule(self, name: str, *, enabled: bool) -> bool:
        """Let a schedule fire or rest; what it misses while it rests is not made up for. ``False``: there is
        none of that name."""

    @abstractmethod
    def schedules(self) -> list[ScheduleRecord]:
        """All schedules, by name."""

    @abstractmethod
    def fire_schedules(self) -> list[str]:
        """Enqueue the jobs of schedules whose time has come, and say which.

        There is exactly one job for a fire time, however many supervisors call this. A time counts as missed
        once it is a minute ago.
        """

    # -- money ---------------------------------------------------------------------------------------------

    @abstractmethod
    def set_budget(self, budget: Budget) -> BudgetStatus:
        """Add a budget, or replace the one of its name. What was spent in its period before counts."""

    @abstractmethod
    def remove_budget(self, name: str) -> bool:
        """Forget a budget; its events stay."""

    @abstractmethod
    def budgets(self) -> list[BudgetStatus]:
        """All budgets, by name."""

    @abstractmethod
    def budget_events(self, *, after: int = 0, limit: int = 1000) -> list[BudgetEvent]:
        """Thresholds that were reached, in order."""

    # -- reasons -------------------------------------------------------------------------------------------

    @abstractmethod
    def why(self, job_id: str) -> Explanation | None:
        """Why a job waits; ``None``: no such job."""

    @abstractmethod
    def estimate(self, job_type: str, input_bytes: int | None = None) -> Estimate | None:
        """What such a job will take, learned from the latest completed ones; ``None``: there were none."""
