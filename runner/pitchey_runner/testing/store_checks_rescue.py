"""Conformance of a job store when workers die."""

from __future__ import annotations

from pitchey_core.pricing import PriceBook, Usage
from pitchey_core.resources import GIB
from pitchey_runner.store.interface import JobStore
from pitchey_runner.store.records import (
    AttemptOutcome,
    Beat,
    CostGroup,
    Directive,
    JobState,
    ManifestCommit,
    Rescue,
)
from pitchey_runner.testing.store_samples import ManualClock, completed, job, one_claimed, worker

__all__ = ["RescueChecks"]

_RESCUER = worker("rescuer")


class RescueChecks:
    """Jobs of dead workers run again, are given up, or are published."""

    def test_a_dead_workers_job_runs_again_at_once(self, store: JobStore) -> None:
        lost, kept = one_claimed(store, worker("dead")), one_claimed(store, worker("alive"))
        assert store.rescue(_RESCUER) == []
        assert store.rescue(_RESCUER, ["dead", "nobody"]) == [Rescue(lost.claim.job_id, JobState.SCHEDULED)]
        assert store.next_due() == 0
        assert store.promote_due() == 1
        (again,) = store.claim(worker(), "video", 1)
        assert (again.claim.job_id, again.claim.claim_seq) == (lost.claim.job_id, 2)
        assert (again.attempt, again.lost_count) == (2, 1)
        assert store.claimed("alive") == [kept]

    def test_what_comes_back_from_the_dead_is_refused(self, store: JobStore) -> None:
        stale = one_claimed(store, worker("dead")).claim
        store.rescue(_RESCUER, {"dead"})
        assert store.beat("dead", [Beat(stale, 0.9, usage=Usage(wall_us=5))]) == [Directive.LOST]
        assert store.settle([completed(stale)]) == [False]
        assert store.release([stale]) == [False]
        assert store.commit_manifests([ManifestCommit(stale, {}, {})]) == [False]
        _claim_again(store, "dead")
        assert store.beat("dead", [Beat(stale)]) == [Directive.LOST]
        assert store.settle([completed(stale)]) == [False]
        assert store.release([stale]) == [False]
        assert store.commit_manifests([ManifestCommit(stale, {}, {})]) == [False]

    def test_a_lost_attempt_is_priced_from_its_last_beat(self, store: JobStore) -> None:
        claim = one_claimed(store, worker("dead"), instance_type="standard-2").claim
        usage = Usage(wall_us=3_000_000, cpu_us=2_000_000, peak_memory_bytes=GIB, bytes_out=1000)
        store.beat("dead", [Beat(claim, usage=usage, reserved_memory_bytes=3 * GIB, enforced_by="cgroup-v2")])
        store.beat("dead", [Beat(claim, usage=usage)])
        store.rescue(_RESCUER, {"dead"})
        cost = PriceBook().cost(usage, reserved_memory_bytes=3 * GIB)
        (attempt,) = store.attempts(claim.job_id)
        assert (attempt.outcome, attempt.cost_nanos) == (AttemptOutcome.LOST, cost)
        assert attempt.usage == usage.with_(complete=False)
        assert (attempt.reserved_memory_bytes, attempt.enforced_by) == (3 * GIB, "cgroup-v2")
        assert attempt.error is not None
        assert "dead" in attempt.error["message"]
        record = store.get(claim.job_id)
        assert record is not None
        assert (record.cost_nanos, record.lost_count, record.retry_count) == (cost, 1, 0)
        (row,) = store.costs(CostGroup.TYPE)
        assert (row.attempts, row.cost_nanos) == (1, cost)
        event = store.events(job_id=claim.job_id)[-1]
        assert (event.kind, event.state) == ("lost", JobState.SCHEDULED)

    def test_where_nobody_said_what_was_reserved_it_was_at_least_what_was_used(self, store: JobStore) -> None:
        claim = one_claimed(store, worker("dead")).claim
        usage = Usage(wall_us=3_000_000, peak_memory_bytes=GIB)
        store.beat("dead", [Beat(claim, usage=usage)])
        store.rescue(_RESCUER, {"dead"})
        (attempt,) = store.attempts(claim.job_id)
        assert attempt.cost_nanos == PriceBook().cost(usage, reserved_memory_bytes=GIB)

    def test_an_attempt_without_a_beat_costs_nothing(self, store: JobStore) -> None:
        claim = one_claimed(store, worker("dead")).claim
        store.rescue(_RESCUER, {"dead"})
        (attempt,) = store.attempts(claim.job_id)
        assert (attempt.usage, attempt.cost_nanos) == (Usage(complete=False), 0)

    def test_an_expired_lease_is_rescued_and_a_beaten_one_is_not(
        self, store: JobStore, clock: ManualClock
    ) -> None:
        gone, beaten = one_claimed(store, worker("gone")), one_claimed(store, worker("alive"))
        clock.advance(29)
        assert store.rescue(_RESCUER) == []
        store.beat("alive", [Beat(beaten.claim)])
        clock.advance(1)
        assert store.rescue(_RESCUER) == [Rescue(gone.claim.job_id, JobState.SCHEDULED)]
        assert store.beat("alive", [Beat(beaten.claim)]) == [Directive.CONTINUE]

    def test_a_lease_that_has_expired_since_somebody_looked_at_the_clock_holds(
        self, store: JobStore, clock: ManualClock
    ) -> None:
        dead, gone = one_claimed(store, worker("dead")), one_claimed(store, worker("gone"))
        looked = store.now()
        clock.advance(60)
        assert store.rescue(_RESCUER, at=looked) == []
        assert store.rescue(_RESCUER, ["dead"], at=looked) == [Rescue(dead.claim.job_id, JobState.SCHEDULED)]
        assert store.rescue(_RESCUER, at=store.now()) == [Rescue(gone.claim.job_id, JobState.SCHEDULED)]

    def test_a_job_that_kills_its_workers_is_given_up(self, store: JobStore, clock: ManualClock) -> None:
        claim = one_claimed(store, worker("dead")).claim
        waits = []
        for _ in range(2):
            assert store.rescue(_RESCUER, {"dead"}) == [Rescue(claim.job_id, JobState.SCHEDULED)]
            waits.append(store.next_due())
            clock.advance(waits[-1] or 0)
            _claim_again(store, "dead")
        assert waits == [0, 4]
        assert store.rescue(_RESCUER, {"dead"}) == [Rescue(claim.job_id, JobState.FAILED)]
        record = store.get(claim.job_id)
        assert record is not None
        assert (record.status, record.lost_count, record.retry_count) == (JobState.FAILED, 3, 2)
        assert record.error is not None
        assert claim.job_id in record.error["remedy"]

    def test_a_retry_by_a_person_counts_losses_anew(self, store: JobStore) -> None:
        claim = one_claimed(store, worker("dead")).claim
        for _ in range(4):
            assert store.rescue(_RESCUER, {"dead"}) == [Rescue(claim.job_id, JobState.SCHEDULED)]
            store.cancel([claim.job_id])
            store.retry([claim.job_id])
            _claim_again(store, "dead")

    def test_a_cancelled_job_is_not_run_again(self, store: JobStore) -> None:
        claim = one_claimed(store, worker("dead")).claim
        store.cancel([claim.job_id])
        assert store.rescue(_RESCUER, {"dead"}) == [Rescue(claim.job_id, JobState.CANCELLED)]
        record = store.get(claim.job_id)
        assert record is not None
        assert record.status is JobState.CANCELLED
        assert store.claimed("dead") == []

    def test_a_committed_manifest_is_rolled_forward(self, store: JobStore) -> None:
        claim = one_claimed(store, worker("dead")).claim
        store.beat("dead", [Beat(claim, usage=Usage(wall_us=10))])
        store.commit_manifests([ManifestCommit(claim, {"artifacts": ["a"]}, {"cost_nanos": 9})])
        (rescue,) = store.rescue(_RESCUER, {"dead"})
        taken = rescue.rolled_forward
        assert rescue.state is JobState.PROCESSING
        assert taken is not None
        assert (taken.manifest, taken.settlement) == ({"artifacts": ["a"]}, {"cost_nanos": 9})
        assert (taken.claim.claim_seq, taken.attempt, taken.lost_count) == (2, 1, 0)
        assert store.claimed(_RESCUER.id) == [taken]
        assert store.settle([completed(claim)]) == [False]
        assert store.settle([completed(taken.claim, cost_nanos=9)]) == [True]
        (attempt,) = store.attempts(claim.job_id)
        assert (attempt.outcome, attempt.worker_id) == (AttemptOutcome.COMPLETED, _RESCUER.id)
        assert (attempt.cost_nanos, attempt.number) == (9, 1)
        (row,) = store.costs(CostGroup.TYPE)
        assert (row.attempts, row.cost_nanos) == (1, 9)

    def test_rescues_the_longest_expired_first(self, store: JobStore) -> None:
        late = one_claimed(store, worker("late", lease_seconds=50)).claim
        soon = one_claimed(store, worker("soon", lease_seconds=5)).claim
        (first,) = store.rescue(_RESCUER, {"late", "soon"}, limit=1)
        (second,) = store.rescue(_RESCUER, {"late", "soon"}, limit=1)
        assert [first.job_id, second.job_id] == [soon.job_id, late.job_id]

    def test_rescues_no_more_than_asked(self, store: JobStore) -> None:
        store.enqueue([job() for _ in range(5)])
        store.claim(worker("dead"), "video", 5)
        assert len(store.rescue(_RESCUER, {"dead"}, limit=2)) == 2
        assert store.rescue(_RESCUER, {"dead"}, limit=0) == []
        assert len(store.rescue(_RESCUER, {"dead"})) == 3
        assert store.rescue(_RESCUER, {"dead"}) == []


def _claim_again(store: JobStore, name: str) -> None:
    store.promote_due()
    store.claim(worker(name), "video", 1)
