"""Conformance of a job store: budgets, and estimates from what jobs have taken before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pitchey_core.errors import BudgetExceeded
from pitchey_core.pricing import Usage
from pitchey_core.resources import GIB
from pitchey_runner.store.interface import (
    Beat,
    Budget,
    BudgetAction,
    BudgetPeriod,
    BudgetScope,
    CostGroup,
    JobStore,
    ReasonKind,
)
from pitchey_runner.testing.store_samples import ManualClock, completed, failed, job, one_claimed, worker

__all__ = ["MoneyChecks"]


class MoneyChecks:
    """What was spent counts at once, and once."""

    def test_a_budget_reports_each_threshold_once_in_a_period(
        self, store: JobStore, clock: ManualClock
    ) -> None:
        status = store.set_budget(budget(100))
        assert (status.spent_nanos, status.ends_at) == (0, status.starts_at + timedelta(days=1))
        last = ""
        for cost in (49, 1, 40, 10, 500):
            last = spend(store, cost)
        reached = [(event.threshold, event.spent_nanos, event.limit_nanos) for event in store.budget_events()]
        assert reached == [(50, 50, 100), (80, 90, 100), (100, 100, 100)]
        (status,) = store.budgets()
        assert (status.spent_nanos, status.used_up, status.stops) == (600, True, False)
        clock.advance(24 * 3600)
        (status,) = store.budgets()
        assert status.spent_nanos == 0
        last = spend(store, 1000)
        events = store.budget_events(after=store.budget_events()[2].seq)
        assert [(event.threshold, event.job_id) for event in events] == [
            (each, last) for each in (50, 80, 100)
        ]
        assert store.budget_events(limit=0) == []

    def test_a_new_budget_knows_what_was_spent_before(self, store: JobStore, clock: ManualClock) -> None:
        spend(store, 30)
        clock.advance(24 * 3600)
        spend(store, 60)
        assert store.set_budget(budget(100)).spent_nanos == 60
        assert store.set_budget(budget(100, BudgetPeriod.TOTAL)).spent_nanos == 90
        assert [(event.threshold, event.job_id) for event in store.budget_events()] == [
            (50, None),
            (50, None),
            (80, None),
        ]
        store.set_budget(budget(70))
        assert [event.threshold for event in store.budget_events()] == [50, 50, 80, 80]
        assert store.remove_budget("type:video/day")
        assert not store.remove_budget("type:video/day")
        assert [each.budget.name for each in store.budgets()] == ["type:video/total"]

    def test_a_month_ends_with_it(self, store: JobStore) -> None:
        status = store.set_budget(budget(100, BudgetPeriod.MONTH))
        assert status.ends_at is not None
        assert (status.starts_at.day, status.ends_at.day) == (1, 1)
        assert (status.ends_at - status.starts_at).days in {28, 29, 30, 31}

    def test_a_budget_covers_its_own(self, store: JobStore) -> None:
        everything = Budget(BudgetScope.ALL, "*", BudgetPeriod.DAY, 100)
        films = Budget(BudgetScope.ORGANIZATION, "films", BudgetPeriod.DAY, 100)
        for each in (everything, films, budget(100)):
            store.set_budget(each)
        spend(store, 1)
        spend(store, 2, "code")
        spend(store, 4, "code", organization_id="films")
        spent = {each.budget.name: each.spent_nanos for each in store.budgets()}
        assert spent == {"all:*/day": 7, "organization:films/day": 4, "type:video/day": 1}
        by_organization = [(row.key, row.cost_nanos) for row in store.costs(CostGroup.ORGANIZATION)]
        assert by_organization == [("default", 3), ("films", 4)]
        assert store.costs(CostGroup.QUEUE) == store.costs(CostGroup.TYPE)

    def test_failed_and_lost_attempts_count(self, store: JobStore) -> None:
        store.set_budget(budget(10**15))
        store.settle([failed(one_claimed(store).claim, cost_nanos=7)])
        claim = one_claimed(store, worker("dead")).claim
        store.beat("dead", [Beat(claim, usage=Usage(wall_us=10**6, cpu_us=10**6))])
        store.rescue(worker("rescuer"), {"dead"})
        (attempt,) = store.attempts(claim.job_id)
        (status,) = store.budgets()
        assert attempt.cost_nanos > 0
        assert status.spent_nanos == 7 + attempt.cost_nanos

    def test_a_used_up_budget_refuses_new_jobs(self, store: JobStore, clock: ManualClock) -> None:
        waiting = job()
        store.set_budget(budget(10, action=BudgetAction.REJECT))
        spend(store, 10)
        with pytest.raises(BudgetExceeded, match="type:video/day"):
            store.enqueue([job("code"), waiting])
        assert store.get(waiting.id) is None
        store.enqueue([job("code")])
        clock.advance(24 * 3600)
        store.enqueue([waiting])
        store.set_budget(budget(10, action=BudgetAction.HOLD))
        spend(store, 10, id=waiting.id + "2")
        store.enqueue([job()])

    def test_a_used_up_budget_holds_its_queue(self, store: JobStore, clock: ManualClock) -> None:
        store.set_budget(budget(10, action=BudgetAction.HOLD))
        spend(store, 10)
        held, code = job(), job("code")
        store.enqueue([held, code])
        assert store.ready() == {"code": 1}
        assert store.claim(worker(), "video", 5) == []
        assert not store.waits_for_rate(["video"])
        explanation = store.why(held.id)
        assert explanation is not None
        reason = explanation.reasons[0]
        assert (reason.kind, reason.name, reason.count) == (ReasonKind.BUDGET, "type:video/day", 10)
        assert reason.until == store.budgets()[0].ends_at
        clock.advance(24 * 3600)
        assert len(store.claim(worker(), "video", 5)) == 1

    def test_a_used_up_budget_holds_an_organization(self, store: JobStore, clock: ManualClock) -> None:
        films = Budget(BudgetScope.ORGANIZATION, "films", BudgetPeriod.DAY, 10, BudgetAction.HOLD)
        store.set_budget(films)
        spend(store, 10, organization_id="films")
        held, other = job(organization_id="films"), job()
        keyed = job(organization_id="films", concurrency_key="k", concurrency_limit=1)
        store.enqueue([held, keyed, other])
        assert [each.claim.job_id for each in store.claim(worker(), "video", 5)] == [other.id]
        assert store.ready() == {}
        record = store.get(held.id)
        assert record is not None
        assert record.hold == "budget"
        store.set_budget(Budget(BudgetScope.ORGANIZATION, "films", BudgetPeriod.DAY, 11, BudgetAction.HOLD))
        assert store.ready() == {"video": 2}
        store.set_budget(films)
        assert store.claim(worker(), "video", 5) == []
        clock.advance(24 * 3600)
        assert store.promote_due() == 0
        assert [each.claim.job_id for each in store.claim(worker(), "video", 5)] == [held.id, keyed.id]

    def test_nothing_done_nothing_estimated(self, store: JobStore) -> None:
        assert store.estimate("video", 5) is None
        store.settle([failed(one_claimed(store).claim, usage=Usage(wall_us=5))])
        assert store.estimate("video") is None

    def test_an_estimate_follows_the_nearest_in_size(self, store: JobStore) -> None:
        for number in range(1, 101):
            usage = Usage(wall_us=number * 10**6, cpu_us=number * 10**5, peak_memory_bytes=number * GIB)
            claim = one_claimed(store, input_bytes=number * 1000).claim
            store.settle([completed(claim, usage=usage, cost_nanos=number)])
        small = store.estimate("video", 1000)
        large = store.estimate("video", 10**9)
        every = store.estimate("video")
        assert small is not None
        assert large is not None
        assert every is not None
        assert (small.samples, small.least_bytes, small.most_bytes) == (50, 1000, 50_000)
        assert (small.wall_seconds.p50, small.wall_seconds.p95) == (25.0, 48.0)
        assert (small.cost_nanos.p50, small.peak_memory_bytes.p50) == (25, 25 * GIB)
        assert (large.least_bytes, large.wall_seconds.p50) == (51_000, 75.0)
        assert (every.samples, every.cpu_seconds.p95) == (100, 9.5)
        assert store.estimate("code") is None

    def test_what_is_old_is_forgotten(self, store: JobStore) -> None:
        jobs = [job() for _ in range(510)]
        store.enqueue(jobs)
        claims = [each.claim for each in store.claim(worker(), "video", 510)]
        store.settle([completed(claim, usage=Usage(wall_us=10**6)) for claim in claims[:10]])
        store.settle([completed(claim, usage=Usage(wall_us=2 * 10**6)) for claim in claims[10:]])
        store.purge([each.id for each in jobs])
        estimate = store.estimate("video", 77)
        assert estimate is not None
        assert (estimate.samples, estimate.wall_seconds.p50) == (500, 2.0)
        assert (estimate.least_bytes, estimate.most_bytes) == (None, None)


def budget(
    limit: int, period: BudgetPeriod = BudgetPeriod.DAY, action: BudgetAction = BudgetAction.WARN
) -> Budget:
    return Budget(BudgetScope.TYPE, "video", period, limit, action)


def spend(store: JobStore, cost: int, job_type: str = "video", **changes: Any) -> str:
    new = job(job_type, **changes)
    store.enqueue([new], claimed_by=worker())
    (claimed,) = store.claimed("w1")
    store.settle([completed(claimed.claim, cost_nanos=cost)])
    return new.id
