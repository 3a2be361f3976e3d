"""The reference model's budgets, and what it learns from its ledger."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pitchey_core.errors import BudgetExceeded
from pitchey_runner.store.estimating import RECENT, Sample, estimate_from
from pitchey_runner.store.interface import (
    Budget,
    BudgetAction,
    BudgetEvent,
    BudgetScope,
    BudgetStatus,
    Estimate,
    NewJob,
)
from pitchey_runner.store.spending import period_around
from pitchey_runner.testing.store_model_reading import ModelReader
from pitchey_runner.testing.store_model_rows import LedgerLine

__all__ = ["ModelMoney"]


class ModelMoney(ModelReader):
    """Sums the ledger anew each time; only the events have to be kept."""

    def set_budget(self, budget: Budget) -> BudgetStatus:
        with self._guard:
            self._budgets[budget.name] = budget
            self._note_thresholds(budget, None)
            self._free_held_by_budgets()
            return self._status(budget)

    def remove_budget(self, name: str) -> bool:
        with self._guard:
            self._free_held_by_budgets()
            return self._budgets.pop(name, None) is not None

    def budgets(self) -> list[BudgetStatus]:
        with self._guard:
            return [self._status(self._budgets[name]) for name in sorted(self._budgets)]

    def budget_events(self, *, after: int = 0, limit: int = 1000) -> list[BudgetEvent]:
        with self._guard:
            return [each for each in self._budget_events if each.seq > after][: max(0, limit)]

    def estimate(self, job_type: str, input_bytes: int | None = None) -> Estimate | None:
        with self._guard:
            samples = [
                Sample(
                    line.input_bytes,
                    line.usage.wall_us,
                    line.usage.cpu_us,
                    line.usage.peak_memory_bytes,
                    line.cost_nanos,
                )
                for line in reversed(self._ledger)
                if line.type == job_type and line.completed
            ]
            return estimate_from(job_type, samples[:RECENT], input_bytes)

    # -- parts ---------------------------------------------------------------------------------------

    def _charge(self, line: LedgerLine) -> None:
        self._ledger.append(line)
        for name in sorted(self._budgets):
            budget = self._budgets[name]
            if budget.covers(line.type, line.organization_id):
                self._note_thresholds(budget, line.job_id)

    def _refuse_over_budget(self, jobs: Sequence[NewJob]) -> None:
        for status in self.budgets():
            budget = status.budget
            if (
                status.used_up
                and budget.action is BudgetAction.REJECT
                and any(budget.covers(job.type, job.organization_id) for job in jobs)
            ):
                raise BudgetExceeded(f"the budget {budget.name} is used up")

    def _stopped(self, job_type: str) -> bool:
        return any(
            status.stops and status.budget.scope is not BudgetScope.ORGANIZATION
            for status in self.budgets()
            if status.budget.covers(job_type, "")
        )

    def _stopping(self, organization_id: str) -> list[BudgetStatus]:
        return [
            status
            for status in self.budgets()
            if status.stops
            and status.budget.scope is BudgetScope.ORGANIZATION
            and status.budget.target == organization_id
        ]

    def _status(self, budget: Budget) -> BudgetStatus:
        start, end = period_around(budget.period, self._clock())
        starts_at = _moment(start)
        spent = sum(
            line.cost_nanos
            for line in self._ledger
            if line.at >= starts_at and budget.covers(line.type, line.organization_id)
        )
        return BudgetStatus(budget, spent, starts_at, None if end is None else _moment(end))

    def _note_thresholds(self, budget: Budget, job_id: str | None) -> None:
        status = self._status(budget)
        for threshold in (50, 80, 100):
            known = any(
                (each.budget, each.period_start, each.threshold) == (budget.name, status.starts_at, threshold)
                for each in self._budget_events
            )
            if not known and status.spent_nanos * 100 >= threshold * budget.limit_nanos:
                self._budget_events.append(
                    BudgetEvent(
                        len(self._budget_events) + 1,
                        budget.name,
                        status.starts_at,
                        threshold,
                        self.now(),
                        status.spent_nanos,
                        budget.limit_nanos,
                        job_id,
                    )
                )

    @abstractmethod
    def _free_held_by_budgets(self) -> None:
        """Whatever budgets have held is put in line again, where the next claim judges it anew."""


def _moment(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
