"""A hypothesis state machine: the same is done to a driver and to the reference model, and all is compared.

::

    class Machine(JobStoreMachine):
        def open_store(self, clock): ...
        def teardown(self): ...

    TestMachine = Machine.TestCase
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pitchey_core.capacity import Capacity
from pitchey_core.errors import BudgetExceeded
from pitchey_core.pricing import Usage
from pitchey_core.resources import GIB
from pitchey_runner.store.interface import JobStore, Lane, Need, Room
from pitchey_runner.store.records import (
    Beat,
    Claim,
    ClaimedJob,
    CostGroup,
    JobFilter,
    ManifestCommit,
    NewJob,
    Priority,
    Rescue,
    Settlement,
)
from pitchey_runner.testing.store_model import ModelStore
from pitchey_runner.testing.store_samples import ManualClock, completed, failed, retried, worker

__all__ = ["JobStoreMachine", "enqueue_or_refuse"]

_TYPES = st.sampled_from(["video", "code"])
_BATCHES = st.sampled_from([None, None, None, "b1", "b2"])
_WORKERS = st.sampled_from([worker("w1"), worker("w2", lease_seconds=5), worker("w3", lease_seconds=50)])
_WORKER_IDS = st.sampled_from(["w1", "w2", "w3"])
_DEAD = st.sampled_from([set(), {"w1"}, {"w2"}, {"w1", "w2", "w3"}])
_COUNTS = st.integers(min_value=0, max_value=1 << 40)
_USAGES = st.builds(
    Usage,
    wall_us=_COUNTS,
    cpu_us=_COUNTS,
    peak_memory_bytes=_COUNTS,
    memory_method=st.sampled_from(["cgroup", "self"]),
    bytes_out=_COUNTS,
)
# The picks are taken modulo what there is.
_PICKS = st.lists(st.integers(min_value=0, max_value=1000), min_size=1, max_size=3)
_JOBS: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        type=_TYPES,
        priority=st.sampled_from(Priority),
        delay_seconds=st.sampled_from([0.0, 0.0, 0.0, 3.0, 700.0]),
        batch_id=_BATCHES,
        item_key=st.sampled_from([None, "i1", "i2", "i3"]),
        instance_type=st.sampled_from(["lite", "standard-4", "elsewhere"]),
    ),
    min_size=1,
    max_size=4,
)


class JobStoreMachine(RuleBasedStateMachine):
    """Every answer and every visible row must be the model's."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.model = ModelStore(clock=self.clock)
        self.born = 0
        self.claims: list[Claim] = [Claim("nobody", 1)]
        self.store: JobStore

    @abstractmethod
    def open_store(self, clock: Callable[[], int]) -> JobStore:
        """Open an empty store on this clock; close it in ``teardown``."""

    @initialize()
    def open(self) -> None:
        self.store = self.open_store(self.clock)

    def both(self, do: Callable[[JobStore], Any]) -> Any:
        expected, got = do(self.model), do(self.store)
        assert got == expected
        return got

    def some_ids(self, picks: list[int]) -> list[str]:
        ids = [record.id for record in self.model.list(limit=10_000)]
        return [ids[pick % len(ids)] if ids else "nobody" for pick in picks]

    def held_by(self, worker_id: str) -> list[Claim]:
        return [each.claim for each in self.model.claimed(worker_id)]

    def settle(self, ends: list[Settlement]) -> None:
        self.both(lambda store: store.settle(ends))

    def send_beats(
        self, worker_id: str, beats: list[Beat], load: float | None = None, room: Room | None = None
    ) -> None:
        self.both(lambda store: store.beat(worker_id, beats, cpu_percent=load, room=room))

    def some_claims(self, picks: list[int]) -> list[Claim]:
        """Mostly of those that hold, sometimes one that is lost."""
        held = [claim for name in ("w1", "w2", "w3") for claim in self.held_by(name)]
        choice = held * 4 + self.claims[-2:]
        return [choice[pick % len(choice)] for pick in picks]

    @rule(jobs=_JOBS, by=st.none() | _WORKERS)
    def enqueue(self, jobs: list[dict[str, Any]], by: Any) -> None:
        first, self.born = self.born, self.born + len(jobs)
        new = [NewJob(payload={}, id=f"job-{first + n}", **each) for n, each in enumerate(jobs)]
        accepted = self.both(lambda store: enqueue_or_refuse(store, new, by))
        if by is not None:
            self.claims += [Claim(job_id, 1) for job_id in accepted if job_id is not None]

    @rule(by=_WORKERS, limit=st.integers(min_value=0, max_value=4), batch=_BATCHES)
    def claim(self, by: Any, limit: int, batch: str | None) -> None:
        def claim_both(store: JobStore) -> list[ClaimedJob]:
            return [each for of in ("video", "code") for each in store.claim(by, of, limit, batch_id=batch)]

        self.claims += [each.claim for each in self.both(claim_both)]

    @rule(by=_WORKERS)
    def promote_and_claim(self, by: Any) -> None:
        self.promote(1000)
        self.claim(by, 4, None)

    @rule(by=_WORKERS, times=st.integers(min_value=1, max_value=3), usage=_USAGES, hungry=st.booleans())
    def die_at_work(self, by: Any, times: int, usage: Usage, hungry: bool) -> None:
        for _ in range(times):
            self.promote_and_claim(by)
            if hungry:
                self.settle([retried(claim, more_memory=True) for claim in self.held_by(by.id)])
                self.promote_and_claim(by)
            self.send_beats(by.id, [Beat(claim, 0.5, "dying", usage) for claim in self.held_by(by.id)])
            self.rescue(by, {by.id}, 500)
            self.clock.advance(5)

    @rule(picks=_PICKS, usage=_USAGES, cost=_COUNTS)
    def complete(self, picks: list[int], usage: Usage, cost: int) -> None:
        self.settle([completed(claim, usage=usage, cost_nanos=cost) for claim in self.some_claims(picks)])

    @rule(picks=_PICKS, retry_in=st.none() | st.sampled_from([0.0, 2.0, 90.0]), more_memory=st.booleans())
    def fail(self, picks: list[int], retry_in: float | None, more_memory: bool) -> None:
        self.settle(
            [
                failed(claim) if retry_in is None else retried(claim, retry_in, more_memory=more_memory)
                for claim in self.some_claims(picks)
            ]
        )

    @rule(picks=_PICKS)
    def release(self, picks: list[int]) -> None:
        claims = self.some_claims(picks)
        self.both(lambda store: store.release(claims))

    @rule(picks=_PICKS, then=st.sampled_from(["retry", "release", "commit"]))
    def cancel_what_runs(self, picks: list[int], then: str) -> None:
        claims = self.some_claims(picks)
        self.both(lambda store: store.cancel([claim.job_id for claim in claims]))
        if then == "retry":
            self.settle([retried(claim) for claim in claims])
        elif then == "release":
            self.both(lambda store: store.release(claims))
        else:
            self.commit(picks)

    @rule(by=_WORKER_IDS, picks=_PICKS, progress=st.none() | st.floats(0, 1), usage=st.none() | _USAGES)
    def beat(self, by: str, picks: list[int], progress: float | None, usage: Usage | None) -> None:
        beats = [Beat(claim, progress, "going on", usage) for claim in self.some_claims(picks)]
        # Those that beat have all that there is; video jobs wait for it.
        lanes = tuple(Lane("video", each.job_id, Capacity(1.0, GIB), 2) for each in self.held_by(by))
        room = Room(Capacity(1.0, GIB), lanes, (Need("video", Capacity(1.0, GIB)),), {"video": 1, "code": 1})
        self.send_beats(by, beats, progress, room if picks else None)

    @rule(picks=_PICKS)
    def commit(self, picks: list[int]) -> None:
        commits = [ManifestCommit(claim, {"of": claim.claim_seq}, {}) for claim in self.some_claims(picks)]
        self.both(lambda store: store.commit_manifests(commits))

    @rule(picks=_PICKS)
    def cancel(self, picks: list[int]) -> None:
        ids = self.some_ids(picks)
        self.both(lambda store: store.cancel(ids))

    @rule(picks=_PICKS)
    def retry(self, picks: list[int]) -> None:
        ids = self.some_ids(picks)
        self.both(lambda store: store.retry(ids))

    @rule(picks=_PICKS)
    def purge(self, picks: list[int]) -> None:
        ids = self.some_ids(picks)
        self.both(lambda store: store.purge(ids))

    @rule(by=_WORKERS, dead=_DEAD, limit=st.sampled_from([1, 500]), ago=st.sampled_from([None, 0, 20]))
    def rescue(self, by: Any, dead: set[str], limit: int, ago: int | None = None) -> None:
        def rescued(store: JobStore) -> list[Rescue]:
            at = None if ago is None else store.now() - timedelta(seconds=ago)
            return store.rescue(by, dead, limit=limit, at=at)

        rescues = self.both(rescued)
        self.claims += [each.rolled_forward.claim for each in rescues if each.rolled_forward is not None]

    @rule(limit=st.sampled_from([1, 1000]))
    def promote(self, limit: int) -> None:
        self.both(lambda store: store.promote_due(limit))

    @rule(by=_WORKERS, gone=st.booleans())
    def come_or_go(self, by: Any, gone: bool) -> None:
        self.both(lambda store: store.remove_worker(by.id) if gone else store.register_worker(by))

    @rule(seconds=st.sampled_from([0.000001, 1.0, 6.0, 1000.0, 90000.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def looks_the_same(self) -> None:
        if not hasattr(self, "store"):
            return
        self.both(lambda store: store.list(limit=10_000))
        self.both(lambda store: store.events(limit=10_000))
        self.both(lambda store: [store.attempts(record.id) for record in self.model.list(limit=10_000)])
        self.both(lambda store: [store.claimed(worker_id) for worker_id in ("w1", "w2", "w3")])
        self.both(lambda store: [store.cancellations(worker_id) for worker_id in ("w1", "w2", "w3")])
        self.both(lambda store: store.workers())
        self.both(lambda store: (store.counts(), store.counts(JobFilter(batch_id="b1"))))
        self.both(
            lambda store: (
                list(store.ready().items()),
                store.ready("b1"),
                store.ready(most=2),
                store.ready("b1", most=1),
                store.next_due(),
                store.next_due("b1"),
            )
        )
        self.both(lambda store: [store.costs(group) for group in CostGroup])


def enqueue_or_refuse(store: JobStore, jobs: list[NewJob], by: Any = None) -> list[str | None]:
    """Enqueue; nothing, where a budget forbids it."""
    try:
        return store.enqueue(jobs, claimed_by=by)
    except BudgetExceeded:
        return []
