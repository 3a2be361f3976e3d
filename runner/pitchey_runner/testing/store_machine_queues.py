"""The state machine's rules about lines: uniqueness, dependencies, limits, pauses, schedules, budgets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from pitchey_runner.store.interface import (
    ALL_QUEUES,
    Budget,
    BudgetAction,
    BudgetEvent,
    BudgetPeriod,
    BudgetScope,
    Dependency,
    JobEdit,
    JobState,
    JobStore,
    Missed,
    NewJob,
    NewSchedule,
    OnFailure,
    Priority,
    QueueLimits,
    RateLimit,
    Unique,
)
from pitchey_runner.testing.store_machine import JobStoreMachine, enqueue_or_refuse
from pitchey_runner.testing.store_samples import completed

__all__ = ["QueueStoreMachine"]

_PICKS = st.lists(st.integers(min_value=0, max_value=1000), min_size=1, max_size=3)
_NAMES = st.sampled_from(["video", "code", ALL_QUEUES])
_RATES = st.none() | st.sampled_from([RateLimit(1, 3), RateLimit(2, 1000)])
_LINES = st.sampled_from(
    [
        {},
        {"concurrency_key": "k", "concurrency_limit": 1},
        {"concurrency_key": "k", "concurrency_limit": 2},
        {"concurrency_key": "r", "rate": RateLimit(2, 10)},
        {"concurrency_key": "r", "concurrency_limit": 3, "rate": RateLimit(1, 7)},
    ]
)
_UNIQUES = st.sampled_from([None, None, Unique("u"), Unique("t", 5), Unique("t")])
_JOBS: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        type=st.sampled_from(["video", "code"]),
        priority=st.sampled_from(Priority),
        delay_seconds=st.sampled_from([0.0, 0.0, 3.0]),
        organization_id=st.sampled_from(["default", "films"]),
        batch_id=st.sampled_from([None, None, "b1"]),
        item_key=st.sampled_from([None, "i1"]),
        input_bytes=st.none() | st.integers(0, 10**9),
        unique=_UNIQUES,
        line=_LINES,
        parents=st.lists(st.tuples(st.integers(0, 1000), st.sampled_from(OnFailure)), max_size=2),
    ),
    min_size=1,
    max_size=4,
)


class QueueStoreMachine(JobStoreMachine):
    """Everything that a store can do."""

    @rule(jobs=_JOBS)
    def enqueue_special(self, jobs: list[dict[str, Any]]) -> None:
        new: list[NewJob] = []
        for each in jobs:
            known = [record.id for record in self.model.list(limit=10_000)] + [job.id for job in new]
            parents = [(known[pick % len(known)], policy) for pick, policy in each["parents"] if known]
            fields = {key: value for key, value in each.items() if key not in ("line", "parents")}
            self.born += 1
            new.append(
                NewJob(
                    payload={},
                    id=f"job-{self.born}s",
                    depends_on=tuple(Dependency(*parent) for parent in parents),
                    **fields,
                    **each["line"],
                )
            )
        # An item that is there already leaves nothing to wait for.
        known_items = [job.item_key is not None and job.batch_id is not None for job in new]
        if any(known_items):
            new = [replace(job, depends_on=()) for job in new]
        self.both(lambda store: enqueue_or_refuse(store, new))

    @rule(name=_NAMES, most=st.none() | st.integers(1, 3), rate=_RATES)
    def limit_queue(self, name: str, most: int | None, rate: RateLimit | None) -> None:
        self.both(lambda store: store.limit_queue(name, QueueLimits(most, rate)))

    @rule(name=_NAMES, paused=st.booleans())
    def pause_queue(self, name: str, paused: bool) -> None:
        self.both(lambda store: store.pause_queue(name, paused=paused))

    @rule()
    def open_all_queues(self) -> None:
        for record in self.model.queues():
            self.limit_queue(record.name, None, None)
            self.pause_queue(record.name, paused=False)

    @rule(picks=_PICKS, paused=st.booleans())
    def pause(self, picks: list[int], paused: bool) -> None:
        ids = self.some_ids(picks)
        self.both(lambda store: store.pause(ids) if paused else store.resume(ids))

    @rule(picks=_PICKS, priority=st.none() | st.sampled_from(Priority), attempts=st.none() | st.just(2))
    def edit(self, picks: list[int], priority: Priority | None, attempts: int | None) -> None:
        job_id = self.some_ids(picks)[0]
        self.both(lambda store: store.edit(job_id, JobEdit(priority=priority, max_attempts=attempts)))

    @rule(state=st.sampled_from(JobState), age=st.sampled_from([0.0, 100.0]), limit=st.sampled_from([1, 500]))
    def purge_old(self, state: JobState, age: float, limit: int) -> None:
        self.both(lambda store: store.purge_old(state, age, limit=limit))

    @rule(name=st.sampled_from(["s1", "s2"]), missed=st.sampled_from(Missed), line=_LINES, unique=_UNIQUES)
    def set_schedule(self, name: str, missed: Missed, line: dict[str, Any], unique: Unique | None) -> None:
        template = NewJob("code", {"of": name}, unique=unique, **line)
        self.both(
            lambda store: store.set_schedule(NewSchedule(name, "*/20 * * * *", template, missed=missed))
        )

    @rule(name=st.sampled_from(["s1", "s2"]), how=st.sampled_from(["rest", "go on", "remove"]))
    def change_schedule(self, name: str, how: str) -> None:
        if how == "remove":
            self.both(lambda store: store.remove_schedule(name))
        else:
            self.both(lambda store: store.enable_schedule(name, enabled=how == "go on"))

    @rule()
    def fire(self) -> None:
        self.both(lambda store: store.fire_schedules())

    @rule(
        payer=st.sampled_from(
            [(BudgetScope.ALL, "*"), (BudgetScope.TYPE, "video"), (BudgetScope.ORGANIZATION, "films")]
        ),
        period=st.sampled_from(BudgetPeriod),
        limit=st.sampled_from([1, 1000, 1 << 41]),
        action=st.sampled_from(BudgetAction),
    )
    def set_budget(
        self, payer: tuple[BudgetScope, str], period: BudgetPeriod, limit: int, action: BudgetAction
    ) -> None:
        self.both(lambda store: store.set_budget(Budget(*payer, period, limit, action)))

    @rule(pick=st.integers(0, 10))
    def remove_budget(self, pick: int) -> None:
        names = [status.budget.name for status in self.model.budgets()] or ["nobody"]
        self.both(lambda store: store.remove_budget(names[pick % len(names)]))

    @rule(picks=_PICKS, cost=st.sampled_from([0, 1, 499, 500]))
    def spend(self, picks: list[int], cost: int) -> None:
        self.settle([completed(claim, cost_nanos=cost) for claim in self.some_claims(picks)])

    @invariant()
    def queues_look_the_same(self) -> None:
        if not hasattr(self, "store"):
            return
        self.both(lambda store: store.queues())
        self.both(lambda store: store.budgets())
        self.both(lambda store: [replace(event, seq=0) for event in _events(store)])
        self.both(lambda store: store.schedules())
        self.both(lambda store: [store.pauses(worker_id) for worker_id in ("w1", "w2", "w3")])
        self.both(lambda store: (store.waits_for_rate(["video"]), store.waits_for_rate(["code"], "b1")))
        self.both(lambda store: [store.why(record.id) for record in self.model.list(limit=10_000)])
        self.both(lambda store: (store.estimate("video"), store.estimate("code", 1000)))


def _events(store: JobStore) -> list[BudgetEvent]:
    return store.budget_events(limit=10_000)
