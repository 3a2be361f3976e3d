"""The half of the store that is about lines: see :class:`~pitchey_runner.store.queue_interface.QueueStore`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from pitchey_runner.store.firing import first_fire, template_of
from pitchey_runner.store.interface import (
    Budget,
    BudgetEvent,
    BudgetStatus,
    Claim,
    Estimate,
    Explanation,
    JobEdit,
    JobState,
    JobStore,
    NewSchedule,
    QueueLimits,
    QueueRecord,
    ScheduleRecord,
)
from pitchey_runner.store.sql import (
    budgets,
    line_statements,
    money_statements,
    queueing,
    reasons,
    scheduling,
)
from pitchey_runner.store.sql.connection import SqlConnection

__all__ = ["QueueHalf"]

T = TypeVar("T")

_ALL = 1 << 62


class QueueHalf(JobStore):
    """What a driver has to bring: a clock, and the places where statements run."""

    @abstractmethod
    def _clock(self) -> int:
        """The store's clock, in microseconds since 1970 UTC."""

    @abstractmethod
    def _write(self, operation: Callable[..., T], *arguments: Any) -> T:
        """Call ``operation(connection, now, *arguments)`` inside a transaction; durable when this returns."""

    @abstractmethod
    def _look(self, query: Callable[[SqlConnection], T]) -> T:
        """Call ``query(connection)``, which changes nothing."""

    def _read(self, statement: str, named: dict[str, Any] | None = None) -> Sequence[Any]:
        """The rows of one statement that changes nothing."""
        return self._look(lambda connection: connection.execute(statement, named or {}).fetchall())

    def _read_now(self, statement: str, named: dict[str, Any] | None = None) -> Sequence[Any]:
        """Like :meth:`_read`, of a statement that also names the time ``now``."""
        return self._read(statement, {**(named or {}), "now": self._clock()})

    # -- queues -------------------------------------------------------------------------------------

    def queues(self) -> list[QueueRecord]:
        return [reasons.as_queue(row) for row in self._read(line_statements.QUEUES)]

    def limit_queue(self, name: str, limits: QueueLimits) -> None:
        self._write(queueing.limit_queue, name, limits)

    def pause_queue(self, name: str, *, paused: bool) -> bool:
        return self._write(queueing.pause_queue, name, paused)

    def ready(self, batch_id: str | None = None, *, most: int | None = None) -> dict[str, int]:
        most = _ALL if most is None else max(1, most)
        return self._look(lambda connection: reasons.ready(connection, self._clock, batch_id, most))

    def waits_for_rate(self, types: Collection[str], batch_id: str | None = None) -> bool:
        return self._look(
            lambda connection: reasons.waits_for_rate(connection, self._clock(), types, batch_id)
        )

    # -- single jobs --------------------------------------------------------------------------------

    def pause(self, ids: Sequence[str]) -> list[JobState | None]:
        return self._write(queueing.set_paused, ids, True) if ids else []

    def resume(self, ids: Sequence[str]) -> list[JobState | None]:
        return self._write(queueing.set_paused, ids, False) if ids else []

    def pauses(self, worker_id: str) -> list[Claim]:
        rows = self._read(line_statements.PAUSES, {"worker_id": worker_id})
        return [Claim(row["id"], row["claim_seq"]) for row in rows]

    def edit(self, job_id: str, edit: JobEdit) -> JobState | None:
        return self._write(queueing.edit, job_id, edit)

    def purge_old(self, state: JobState, older_than: float, *, limit: int = 1000) -> int:
        if limit <= 0 or not state.finished:
            return 0
        return self._write(queueing.purge_old, state, older_than, limit)

    # -- schedules ----------------------------------------------------------------------------------

    def set_schedule(self, schedule: NewSchedule) -> None:
        # What is wrong with it is told before anything is written.
        template_of(schedule.template)
        first_fire(schedule.cron, schedule.timezone, self._clock())
        self._write(scheduling.set_schedule, schedule)

    def remove_schedule(self, name: str) -> bool:
        return self._write(scheduling.remove_schedule, name)

    def enable_schedule(self, name: str, *, enabled: bool) -> bool:
        return self._write(scheduling.enable_schedule, name, enabled)

    def schedules(self) -> list[ScheduleRecord]:
        return [scheduling.as_schedule(row) for row in self._read(money_statements.SCHEDULES)]

    def fire_schedules(self) -> list[str]:
        if not self._read_now(money_statements.DUE_SCHEDULES):
            return []
        return self._write(scheduling.fire_schedules)

    # -- money --------------------------------------------------------------------------------------

    def set_budget(self, budget: Budget) -> BudgetStatus:
        return self._write(queueing.set_budget, budget)

    def remove_budget(self, name: str) -> bool:
        return self._write(queueing.remove_budget, name)

    def budgets(self) -> list[BudgetStatus]:
        return self._look(lambda connection: budgets.statuses(connection, self._clock()))

    def budget_events(self, *, after: int = 0, limit: int = 1000) -> list[BudgetEvent]:
        rows = self._read(money_statements.BUDGET_EVENTS, {"after": after, "limit": max(0, limit)})
        return [budgets.as_event(row) for row in rows]

    # -- reasons ------------------------------------------------------------------------------------

    def why(self, job_id: str) -> Explanation | None:
        return self._look(lambda connection: reasons.why(connection, self._clock(), job_id))

    def estimate(self, job_type: str, input_bytes: int | None = None) -> Estimate | None:
        return self._look(lambda connection: reasons.estimate(connection, job_type, input_bytes))
