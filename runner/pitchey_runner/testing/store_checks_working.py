"""Conformance of a job store towards its workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from pitchey_core.pricing import Usage
from pitchey_runner.store.interface import JobStore
from pitchey_runner.store.records import (
    AttemptOutcome,
    Beat,
    Claim,
    CostGroup,
    Directive,
    JobState,
    ManifestCommit,
    Priority,
    Settlement,
)
from pitchey_runner.testing.store_samples import (
    ManualClock,
    completed,
    failed,
    job,
    one_claimed,
    retried,
    worker,
)

__all__ = ["WorkingChecks"]

_USAGE = Usage(
    wall_us=2_500_000,
    cpu_us=1_250_000,
    peak_memory_bytes=1 << 30,
    memory_method="cgroup",
    bytes_in=10,
    bytes_out=20,
    gpu_us=30,
)


class WorkingChecks:
    """Claim, beat, commit, settle, release."""

    def test_claims_in_the_order_of_the_line(self, store: JobStore) -> None:
        low, first, second, high = (
            job(priority=Priority.LOW),
            job(),
            job(),
            job(priority=Priority.HIGH),
        )
        other = job("code", priority=Priority.HIGH)
        store.enqueue([low, first, second, other, high])
        claimed = store.claim(worker(), "video", 3)
        assert [each.claim.job_id for each in claimed] == [high.id, first.id, second.id]
        assert [each.claim.job_id for each in store.claim(worker(), "video", 3)] == [low.id]
        assert store.claim(worker(), "video", 3) == []
        assert store.claim(worker(), "code", 0) == []
        assert store.ready() == {"code": 1}

    def test_a_low_priority_waits_longer_but_never_for_ever(
        self, store: JobStore, clock: ManualClock
    ) -> None:
        old, older = job(priority=Priority.LOW), job(priority=Priority.LOW)
        store.enqueue([older])
        clock.advance(3)
        store.enqueue([old])
        clock.advance(3598)
        new = job(priority=Priority.HIGH)
        store.enqueue([new])
        claimed = store.claim(worker(), "video", 3)
        assert [each.claim.job_id for each in claimed] == [older.id, new.id, old.id]

    def test_claims_from_one_batch(self, store: JobStore) -> None:
        other, mine = job(priority=Priority.HIGH, batch_id="b"), job(batch_id="c", item_key="k")
        store.enqueue([job(), other, mine])
        assert store.ready("c") == {"video": 1}
        claimed = store.claim(worker(), "video", 5, batch_id="c")
        assert [each.claim.job_id for each in claimed] == [mine.id]
        assert store.claim(worker(), "video", 5, batch_id="c") == []
        assert store.ready("c") == {}

    def test_a_claim_says_what_to_do_and_until_when(self, store: JobStore) -> None:
        claimed = one_claimed(
            store, worker("me", lease_seconds=12), output="file:///o/", overwrite=True, wall_limit=3.0
        )
        assert claimed.lease_until - timedelta(seconds=12) == store.now()
        assert (claimed.output, claimed.overwrite, claimed.wall_limit) == ("file:///o/", True, 3.0)
        assert (claimed.attempt, claimed.lost_count, claimed.memory_factor) == (1, 0, 1.0)
        assert (claimed.manifest, claimed.settlement) == (None, None)
        assert store.claimed("me") == [claimed]
        record = store.get(claimed.claim.job_id)
        assert record is not None
        assert (record.status, record.worker_id, record.claim_seq) == (JobState.PROCESSING, "me", 1)
        assert record.started_at is not None

    def test_nobody_gets_a_job_twice(self, store: JobStore) -> None:
        store.enqueue([job() for _ in range(200)])

        def drain(name: str) -> list[Claim]:
            mine: list[Claim] = []
            while got := store.claim(worker(name), "video", 7):
                mine += [each.claim for each in got]
            return mine

        with ThreadPoolExecutor(4) as pool:
            claims = [claim for mine in pool.map(drain, "abcd") for claim in mine]
        assert len(claims) == len({claim.job_id for claim in claims}) == 200

    def test_claim_seq_rises_at_each_claim_and_is_never_reset(self, store: JobStore) -> None:
        seqs = []
        claim = one_claimed(store).claim
        for end in (store.release, _settle_failed(store), store.release, _settle_failed(store)):
            seqs.append(claim.claim_seq)
            assert end([claim]) == [True]
            store.retry([claim.job_id])
            (claimed,) = store.claim(worker(), "video", 1)
            claim = claimed.claim
        assert seqs == [1, 2, 3, 4]
        assert claim.claim_seq == 5

    def test_completion_is_written_everywhere(self, store: JobStore, clock: ManualClock) -> None:
        claim = one_claimed(store).claim
        clock.advance(5)
        result = {"status": "completed", "facts": {"streams": 2}}
        end = completed(claim, result=result, usage=_USAGE, cost_nanos=123, log_path="/log")
        assert store.settle([end]) == [True]
        record = store.get(claim.job_id)
        assert record is not None
        assert (record.status, record.result, record.error) == (JobState.COMPLETED, result, None)
        assert (record.processing_time_seconds, record.cost_nanos, record.progress) == (2.5, 123, 1.0)
        assert record.worker_id == "w1"
        assert (record.started_at, record.completed_at) == (store.now() - timedelta(seconds=5), store.now())
        (attempt,) = store.attempts(claim.job_id)
        assert (attempt.outcome, attempt.usage, attempt.cost_nanos) == (AttemptOutcome.COMPLETED, _USAGE, 123)
        assert (attempt.log_path, attempt.ended_at) == ("/log", record.completed_at)
        event = store.events(job_id=claim.job_id)[-1]
        assert (event.kind, event.state) == ("completed", JobState.COMPLETED)
        (row,) = store.costs(CostGroup.TYPE)
        assert (row.key, row.attempts, row.wall_seconds, row.cost_nanos) == ("video", 1, 2.5, 123)
        assert store.claimed("w1") == []

    def test_an_attempt_ends_once(self, store: JobStore) -> None:
        claim = one_claimed(store).claim
        assert store.settle([completed(claim), failed(claim)]) == [True, False]
        assert store.settle([completed(claim)]) == [False]
        assert store.release([claim]) == [False]
        assert store.commit_manifests([ManifestCommit(claim, {}, {})]) == [False]
        assert store.beat("w1", [Beat(claim)]) == [Directive.LOST]
        assert len(store.events(job_id=claim.job_id)) == 3

    def test_an_attempt_cannot_end_with_its_job_running(self) -> None:
        with pytest.raises(ValueError, match="processing"):
            Settlement(Claim("id", 1), AttemptOutcome.FAILED, JobState.PROCESSING)

    def test_failed_jobs_keep_the_reason(self, store: JobStore) -> None:
        claim = one_claimed(store).claim
        end = failed(claim, result={"facts": {"partial": True}}, cost_nanos=3)
        store.settle([end])
        record = store.get(claim.job_id)
        assert record is not None
        assert (record.status, record.error, record.result) == (JobState.FAILED, end.error, end.result)
        (attempt,) = store.attempts(claim.job_id)
        assert attempt.error == end.error

    def test_a_retry_waits_and_costs_add_up(self, store: JobStore) -> None:
        claim = one_claimed(store).claim
        store.settle([retried(claim, 60, cost_nanos=4, more_memory=True)])
        record = store.get(claim.job_id)
        assert record is not None
        assert (record.status, record.worker_id, record.completed_at) == (JobState.SCHEDULED, None, None)
        assert record.run_at == store.now() + timedelta(seconds=60)
        due = job(delay_seconds=0)
        store.enqueue([due])
        (first,) = store.claim(worker(), "video", 5)
        assert first.claim.job_id == due.id

    def test_the_next_attempt_is_counted_and_knows_what_it_needs(self, store: JobStore) -> None:
        claim = one_claimed(store).claim
        store.settle([retried(claim, cost_nanos=4, more_memory=True)])
        assert store.promote_due() == 1
        (again,) = store.claim(worker("w2"), "video", 1)
        assert (again.attempt, again.claim.claim_seq, again.memory_factor) == (2, 2, 1.5)
        store.settle([completed(again.claim, cost_nanos=5)])
        record = store.get(claim.job_id)
        assert record is not None
        assert (record.retry_count, record.cost_nanos, record.error) == (1, 9, None)
        assert [each.number for each in store.attempts(claim.job_id)] == [1, 2]

    def test_a_cancelled_retry_ends_there(self, store: JobStore) -> None:
        claim = one_claimed(store).claim
        store.cancel([claim.job_id])
        assert store.settle([retried(claim)]) == [True]
        record = store.get(claim.job_id)
        assert record is not None
        assert record.status is JobState.CANCELLED
        assert record.completed_at is not None

    def test_release_burns_no_attempt_and_keeps_the_place(self, store: JobStore, clock: ManualClock) -> None:
        claim = one_claimed(store).claim
        clock.advance(5)
        store.enqueue([job()])
        assert store.release([claim, claim]) == [True, False]
        record = store.get(claim.job_id)
        assert record is not None
        assert (record.status, record.worker_id, record.started_at) == (JobState.PENDING, None, None)
        (again,) = store.claim(worker(), "video", 1)
        assert (again.claim.job_id, again.attempt, again.claim.claim_seq) == (claim.job_id, 1, 2)
        outcomes = [each.outcome for each in store.attempts(claim.job_id)]
        assert outcomes == [AttemptOutcome.RELEASED, None]
        assert store.costs(CostGroup.TYPE) == []

    def test_release_of_a_cancelled_job_ends_it(self, store: JobStore) -> None:
        claim = one_claimed(store).claim
        store.cancel([claim.job_id])
        assert store.release([claim]) == [True]
        record = store.get(claim.job_id)
        assert record is not None
        assert record.status is JobState.CANCELLED

    def test_beats_extend_the_lease_and_answer(self, store: JobStore, clock: ManualClock) -> None:
        me = worker(lease_seconds=20)
        store.register_worker(me)
        mine, doomed = one_claimed(store, me), one_claimed(store, me)
        store.cancel([doomed.claim.job_id])
        clock.advance(5)
        beats = [
            Beat(mine.claim, 0.25, "a \udc80 quarter", _USAGE),
            Beat(doomed.claim),
            Beat(Claim(mine.claim.job_id, 7)),
            Beat(Claim("nobody", 1)),
        ]
        answers = store.beat(me.id, beats, cpu_percent=12.5, memory_percent=50.0)
        assert answers == [Directive.CONTINUE, Directive.CANCEL, Directive.LOST, Directive.LOST]
        assert store.beat("other", [Beat(mine.claim)]) == [Directive.LOST]
        assert store.claimed(me.id)[0].lease_until == mine.lease_until + timedelta(seconds=5)
        assert store.beat(me.id, [Beat(mine.claim)]) == [Directive.CONTINUE]
        record = store.get(mine.claim.job_id)
        assert record is not None
        assert record.progress == 0.25
        (attempt,) = store.attempts(mine.claim.job_id)
        assert attempt.usage == _USAGE
        (seen,) = store.workers()
        assert (seen.info, seen.active_jobs_count) == (me, 2)
        assert (seen.cpu_usage_percent, seen.memory_usage_percent) == (12.5, 50.0)
        assert seen.seen_at - seen.registered_at == timedelta(seconds=5)

    def test_a_cancelled_job_commits_nothing(self, store: JobStore) -> None:
        claim, stopped = one_claimed(store).claim, one_claimed(store).claim
        store.cancel([stopped.job_id])
        commits = [
            ManifestCommit(claim, {"artifacts": []}, {"state": "completed"}),
            ManifestCommit(stopped, {}, {}),
        ]
        assert store.commit_manifests(commits) == [True, False]
        assert [each.manifest for each in store.claimed("w1")] == [{"artifacts": []}, None]

    def test_a_retry_after_the_commit_only_publishes(self, store: JobStore) -> None:
        claim = one_claimed(store).claim
        store.commit_manifests([ManifestCommit(claim, {"artifacts": [1]}, {"state": "completed"})])
        store.settle([retried(claim)])
        store.promote_due()
        (again,) = store.claim(worker(), "video", 1)
        assert (again.manifest, again.settlement) == ({"artifacts": [1]}, {"state": "completed"})
        store.settle([failed(again.claim)])
        store.retry([claim.job_id])
        (anew,) = store.claim(worker(), "video", 1)
        assert (anew.manifest, anew.settlement) == (None, None)

    def test_workers_come_and_go(self, store: JobStore) -> None:
        first, second = worker("a"), worker("b", lease_seconds=5)
        store.register_worker(first)
        store.register_worker(second)
        claim = one_claimed(store, first).claim
        store.remove_worker(first.id)
        store.remove_worker(second.id)
        assert [each.info for each in store.workers()] == [first]
        store.settle([completed(claim)])
        store.remove_worker(first.id)
        assert store.workers() == []
        assert store.beat(first.id, []) == []

    def test_a_worker_that_claims_is_known(self, store: JobStore) -> None:
        one_claimed(store, worker("unannounced"))
        assert [each.info.id for each in store.workers()] == ["unannounced"]


def _settle_failed(store: JobStore) -> Callable[[Sequence[Claim]], list[bool]]:
    return lambda claims: store.settle([failed(claim) for claim in claims])
