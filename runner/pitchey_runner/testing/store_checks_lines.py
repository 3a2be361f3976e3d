"""Conformance of a job store: limits, rates, pauses, and the reasons why a job waits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from pitchey_runner.store.interface import (
    ALL_QUEUES,
    Beat,
    Claim,
    Directive,
    Hold,
    JobEdit,
    JobState,
    JobStore,
    Priority,
    QueueLimits,
    QueueRecord,
    RateLimit,
    Reason,
    ReasonKind,
)
from pitchey_runner.testing.store_samples import ManualClock, completed, failed, job, retried, worker

__all__ = ["LineChecks"]


class LineChecks:
    """Whoever may not start is not claimed, by anybody, and knows why."""

    def test_a_paused_queue_gives_nothing(self, store: JobStore) -> None:
        video, code = job(), job("code")
        store.enqueue([video, code])
        assert store.pause_queue("video", paused=True)
        assert not store.pause_queue("video", paused=True)
        assert claim(store, 5) == []
        assert store.ready() == {"code": 1}
        assert store.queues() == [QueueRecord("video", True, QueueLimits())]
        assert kinds(store, video.id)[0] is ReasonKind.QUEUE_PAUSED
        assert store.pause_queue("video", paused=False)
        assert claim(store, 5) == [video.id]

    def test_all_queues_can_be_paused_at_once(self, store: JobStore) -> None:
        store.enqueue([job(), job("code")])
        store.pause_queue(ALL_QUEUES, paused=True)
        assert store.ready() == {}
        assert claim(store, 5) == []
        store.pause_queue(ALL_QUEUES, paused=False)
        assert store.ready() == {"video": 1, "code": 1}

    def test_a_queue_runs_as_many_as_it_may(self, store: JobStore) -> None:
        jobs = [job() for _ in range(5)]
        store.enqueue([*jobs, job("code")])
        store.limit_queue("video", QueueLimits(max_running=2))
        assert store.ready() == {"video": 2, "code": 1}
        first = store.claim(worker("a"), "video", 1)
        assert store.ready()["video"] == 1
        assert len(store.claim(worker("b"), "video", 5)) == 1
        assert claim(store, 5) == []
        assert kinds(store, jobs[2].id) == [ReasonKind.QUEUE_LIMIT, ReasonKind.POSITION]
        store.settle([completed(first[0].claim)])
        assert claim(store, 5) == [jobs[2].id]
        store.limit_queue("video", QueueLimits())
        assert claim(store, 5) == [each.id for each in jobs[3:]]

    def test_all_queues_together_run_as_many_as_they_may(self, store: JobStore) -> None:
        store.enqueue([job(), job(), job("code"), job("code")])
        store.limit_queue(ALL_QUEUES, QueueLimits(max_running=3))
        assert len(claim(store, 5)) == 2
        assert len(claim(store, 5, "code")) == 1

    def test_a_limit_holds_for_claimers_in_parallel(self, store: JobStore) -> None:
        store.limit_queue("video", QueueLimits(max_running=7))
        store.enqueue([job(concurrency_key="k", concurrency_limit=3) for _ in range(20)])
        store.enqueue([job() for _ in range(20)])

        def take(name: str) -> list[Claim]:
            mine: list[Claim] = []
            for _ in range(10):
                mine += [each.claim for each in store.claim(worker(name), "video", 2)]
            return mine

        with ThreadPoolExecutor(4) as pool:
            claims = [claim for mine in pool.map(take, "abcd") for claim in mine]
        records = [store.get(each.job_id) for each in claims]
        assert len(claims) == 7
        assert sum(record is not None and record.concurrency_key == "k" for record in records) == 3

    def test_a_queue_starts_as_often_as_it_may(self, store: JobStore, clock: ManualClock) -> None:
        jobs = [job() for _ in range(8)]
        store.enqueue(jobs)
        store.limit_queue("video", QueueLimits(rate=RateLimit(3, 60)))
        assert not store.waits_for_rate(["video"])
        assert len(claim(store, 5)) == 3
        assert (claim(store, 5), store.ready()) == ([], {})
        assert store.waits_for_rate(["video"])
        assert not store.waits_for_rate(["code"])
        (reason, _) = waits(store, jobs[3].id)
        assert (reason.kind, reason.name) == (ReasonKind.RATE, "video")
        assert reason.until == store.now() + timedelta(seconds=20)
        clock.advance(19.9)
        assert claim(store, 5) == []
        clock.advance(0.1)
        assert claim(store, 5) == [jobs[3].id]
        clock.advance(1000)
        assert len(claim(store, 5)) == 3

    def test_a_key_runs_as_many_as_it_may(self, store: JobStore) -> None:
        mine = [job(concurrency_key="ada", concurrency_limit=2) for _ in range(4)]
        other, free = job(concurrency_key="bob", concurrency_limit=1), job()
        store.enqueue([*mine, other, free])
        assert store.ready() == {"video": 4}
        claims = store.claim(worker(), "video", 10)
        assert [each.claim.job_id for each in claims] == [mine[0].id, mine[1].id, other.id, free.id]
        assert claim(store, 5) == []
        concurrency, position = waits(store, mine[3].id)
        assert concurrency.kind is ReasonKind.CONCURRENCY
        assert (concurrency.name, concurrency.count, concurrency.limit) == ("ada", 2, 2)
        assert (position.kind, position.count) == (ReasonKind.POSITION, 1)
        store.settle([failed(claims[1].claim)])
        assert claim(store, 5) == [mine[2].id]

    @pytest.mark.parametrize("end", ["settle", "retry", "release", "rescue", "cancel"])
    def test_a_key_is_free_again_however_its_job_ends(self, store: JobStore, end: str) -> None:
        first, second = (job(concurrency_key="k", concurrency_limit=1) for _ in range(2))
        store.enqueue([first, second])
        (running,) = store.claim(worker("dead"), "video", 5)
        if end == "settle":
            store.settle([completed(running.claim)])
        elif end == "retry":
            store.settle([retried(running.claim, 60)])
        elif end == "rescue":
            store.cancel([first.id])
            store.rescue(worker("rescuer"), {"dead"})
        else:
            if end == "cancel":
                store.cancel([first.id])
            store.release([running.claim])
        assert claim(store, 5) == [first.id if end == "release" else second.id]

    def test_a_key_lets_the_first_of_its_line_go_first(self, store: JobStore) -> None:
        low, high = (
            job(concurrency_key="k", concurrency_limit=1, priority=each)
            for each in (Priority.LOW, Priority.HIGH)
        )
        store.enqueue([low])
        store.enqueue([high])
        assert claim(store, 5) == [high.id]
        store.enqueue([job(concurrency_key="k", concurrency_limit=1, delay_seconds=5)])
        store.cancel([low.id])
        assert store.ready() == {}

    def test_a_key_of_one_queue_is_none_of_another(self, store: JobStore) -> None:
        store.enqueue([job(each, concurrency_key="k", concurrency_limit=1) for each in ("video", "code")])
        assert store.ready() == {"video": 1, "code": 1}

    def test_a_key_starts_as_often_as_it_may(self, store: JobStore, clock: ManualClock) -> None:
        keyed = [job(concurrency_key="api", rate=RateLimit(2, 10)) for _ in range(5)]
        free = job(priority=Priority.LOW)
        store.enqueue([*keyed, free])
        assert claim(store, 10) == [keyed[0].id, keyed[1].id, free.id]
        assert claim(store, 10) == []
        record = store.get(keyed[2].id)
        assert record is not None
        assert record.hold == Hold.RATE
        assert store.waits_for_rate(["video"])
        reason = waits(store, keyed[2].id)[0]
        assert (reason.kind, reason.name) == (ReasonKind.RATE, "api")
        assert reason.until == store.now() + timedelta(seconds=5)
        reason, position = waits(store, keyed[4].id)
        assert (reason.kind, reason.name) == (ReasonKind.RATE, "api")
        assert reason.until == store.now() + timedelta(seconds=5)
        assert (position.kind, position.count) == (ReasonKind.POSITION, 2)
        clock.advance(5)
        store.promote_due()
        assert claim(store, 10) == [keyed[2].id]

    def test_a_low_priority_that_has_waited_for_its_head_start_comes_first(
        self, store: JobStore, clock: ManualClock
    ) -> None:
        """With a stream of high ones that alone would keep the queue busy."""
        low = job(priority=Priority.LOW)
        store.enqueue([low])
        done: list[str] = []
        for _ in range(130):
            store.enqueue([job(priority=Priority.HIGH) for _ in range(2)])
            done += claim(store, 1)
            clock.advance(60)
        assert done.index(low.id) == 120, "after those of one hour, the head start"

    def test_a_paused_job_is_not_claimed(self, store: JobStore, clock: ManualClock) -> None:
        pending, later = job(), job(delay_seconds=5)
        store.enqueue([pending, later])
        assert store.pause([pending.id, later.id, "nobody"]) == [JobState.PENDING, JobState.SCHEDULED, None]
        clock.advance(5)
        assert store.promote_due() == 1
        assert (store.ready(), claim(store, 5)) == ({}, [])
        assert ReasonKind.JOB_PAUSED in kinds(store, later.id)
        store.resume([later.id])
        assert claim(store, 5) == [later.id]
        assert store.cancel([pending.id]) == [JobState.CANCELLED]
        assert [event.kind for event in store.events(job_id=pending.id)] == [
            "enqueued",
            "pause_requested",
            "cancelled",
        ]

    def test_a_running_job_is_told_to_pause(self, store: JobStore) -> None:
        store.enqueue([job(), job()])
        one, other = (each.claim for each in store.claim(worker(), "video", 2))
        assert store.pause([one.job_id]) == [JobState.PROCESSING]
        assert store.pauses("w1") == [one]
        beats = [Beat(one), Beat(other)]
        assert store.beat("w1", beats) == [Directive.PAUSE, Directive.CONTINUE]
        store.resume([one.job_id])
        assert store.pauses("w1") == []
        assert store.beat("w1", beats) == [Directive.CONTINUE, Directive.CONTINUE]
        store.pause([one.job_id])
        store.cancel([one.job_id])
        assert store.beat("w1", beats) == [Directive.CANCEL, Directive.CONTINUE]
        store.settle([completed(other)])
        assert store.pause([other.job_id]) == [JobState.COMPLETED]

    def test_an_edit_changes_what_is_not_running(self, store: JobStore) -> None:
        first, second = job(), job()
        store.enqueue([first, second])
        edit = JobEdit({"input_url": "file:///other.mp4"}, Priority.HIGH, 9, "lite", 4.5, "d", 7)
        assert store.edit(second.id, edit) is JobState.PENDING
        (claimed,) = store.claim(worker(), "video", 1)
        assert (claimed.claim.job_id, claimed.payload) == (second.id, edit.payload)
        assert (claimed.max_attempts, claimed.instance_type, claimed.wall_limit) == (9, "lite", 4.5)
        assert store.edit(second.id, JobEdit(max_attempts=1)) is JobState.PROCESSING
        assert store.edit("nobody", edit) is None
        store.settle([failed(claimed.claim)])
        assert store.edit(second.id, JobEdit(max_attempts=2)) is JobState.FAILED
        record = store.get(second.id)
        assert record is not None
        assert record.max_attempts == 2
        assert store.events(job_id=second.id)[-1].data == {"fields": ["max_attempts"]}

    def test_an_edited_job_is_learned_from_by_the_size_of_its_new_input(self, store: JobStore) -> None:
        sizes = []
        for edit in (JobEdit({"n": 2}, input_bytes=7), JobEdit({"n": 2}), JobEdit(max_attempts=2)):
            edited = job("code", input_bytes=5)
            store.enqueue([edited])
            store.edit(edited.id, edit)
            (claimed,) = store.claim(worker(), "code", 1)
            store.settle([completed(claimed.claim)])
            estimate = store.estimate("code")
            assert estimate is not None
            sizes.append((estimate.least_bytes, estimate.most_bytes))
        assert sizes == [(7, 7), (7, 7), (5, 7)], "the second one's is not known"

    def test_old_jobs_are_purged_state_by_state(self, store: JobStore, clock: ManualClock) -> None:
        store.enqueue([job() for _ in range(4)])
        claims = [each.claim for each in store.claim(worker(), "video", 4)]
        store.settle([completed(claims[0]), failed(claims[1])])
        clock.advance(100)
        store.settle([completed(claims[2])])
        assert store.purge_old(JobState.COMPLETED, 100.5) == 0
        assert store.purge_old(JobState.PROCESSING, 0) == 0
        assert store.purge_old(JobState.COMPLETED, 50) == 1
        assert store.get(claims[0].job_id) is None
        assert store.purge_old(JobState.COMPLETED, 0, limit=0) == 0
        assert store.purge_old(JobState.FAILED, 0) == 1
        assert store.counts() == {JobState.COMPLETED: 1, JobState.PROCESSING: 1}

    def test_why_a_job_waits(self, store: JobStore, clock: ManualClock) -> None:
        assert store.why("nobody") is None
        first, second, later = job(), job(), job(delay_seconds=60)
        store.enqueue([first, second, later])
        assert kinds(store, second.id) == [ReasonKind.NO_WORKER, ReasonKind.POSITION]
        store.register_worker(worker())
        explanation = store.why(second.id)
        assert explanation is not None
        assert (explanation.workers, explanation.running, explanation.typical) == (1, 0, None)
        assert [(each.kind, each.count) for each in explanation.reasons] == [(ReasonKind.POSITION, 1)]
        (delay,) = waits(store, later.id)
        assert (delay.kind, delay.until) == (ReasonKind.DELAY, store.now() + timedelta(seconds=60))
        (claimed,) = store.claim(worker(), "video", 1)
        assert waits(store, first.id) == ()
        store.settle([retried(claimed.claim, 10)])
        assert kinds(store, first.id) == [ReasonKind.RETRY]
        clock.advance(31)
        assert ReasonKind.NO_WORKER in kinds(store, second.id)


def claim(store: JobStore, limit: int, job_type: str = "video") -> list[str]:
    return [each.claim.job_id for each in store.claim(worker(), job_type, limit)]


def waits(store: JobStore, job_id: str) -> tuple[Reason, ...]:
    explanation = store.why(job_id)
    assert explanation is not None
    return explanation.reasons


def kinds(store: JobStore, job_id: str) -> list[ReasonKind]:
    return [each.kind for each in waits(store, job_id)]
