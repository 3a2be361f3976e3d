"""Conformance of a job store towards those who look."""

from __future__ import annotations

from datetime import timedelta

from pitchey_core.pricing import Usage
from pitchey_runner.store.interface import JobStore, QueueLimits
from pitchey_runner.store.records import CostGroup, JobFilter, JobState, Priority
from pitchey_runner.testing.store_samples import ManualClock, completed, failed, job, one_claimed, worker

__all__ = ["ReadingChecks"]


class ReadingChecks:
    """Get, find, list, count, events, costs, and word of changes."""

    def test_nobody(self, store: JobStore) -> None:
        assert store.get("nobody") is None
        assert store.find("") == []
        assert store.list() == []
        assert store.attempts("nobody") == []
        assert store.events() == []
        assert store.counts() == {}
        assert store.ready() == {}
        assert store.next_due() is None
        assert store.costs(CostGroup.DAY) == []
        assert store.workers() == []
        assert store.claimed("nobody") == []

    def test_finds_ids_by_their_beginning(self, store: JobStore) -> None:
        store.enqueue([job(id=f"ab{number:02}") for number in range(12)] + [job(id="abc"), job(id="b")])
        assert store.find("ab") == [f"ab{number:02}" for number in range(10)]
        assert store.find("abc") == ["abc"]
        assert store.find("b") == ["b"]
        assert store.find("%") == []

    def test_lists_in_the_order_of_enqueueing(self, store: JobStore) -> None:
        ids = [store.enqueue([job()])[0] for _ in range(5)]
        assert [record.id for record in store.list()] == ids[::-1]
        assert [record.id for record in store.list(newest_first=False, limit=2)] == ids[:2]
        assert store.list(limit=0) == []

    def test_filters_hold_together(self, store: JobStore, clock: ManualClock) -> None:
        old = job("code", batch_id="b")
        store.enqueue([old])
        clock.advance(10)
        code, video, loose = job("code", batch_id="b"), job("video", batch_id="b"), job("code")
        store.enqueue([code, video, loose])
        store.cancel([video.id])
        since = store.now() - timedelta(seconds=1)

        def ids(where: JobFilter) -> list[str]:
            listed = [record.id for record in store.list(where, newest_first=False)]
            assert sum(store.counts(where).values()) == len(listed)
            return listed

        assert ids(JobFilter(batch_id="b")) == [old.id, code.id, video.id]
        assert ids(JobFilter(batch_id="b", since=since)) == [code.id, video.id]
        assert ids(JobFilter(types={"code"}, since=since)) == [code.id, loose.id]
        assert ids(JobFilter(types=["code", "video"], states=[JobState.CANCELLED])) == [video.id]
        both = {JobState.CANCELLED, JobState.PENDING}
        assert ids(JobFilter(states=both, ids=[video.id, loose.id, "nobody"])) == [video.id, loose.id]
        assert ids(JobFilter(states={JobState.FAILED})) == []
        assert store.counts(JobFilter(batch_id="b")) == {JobState.PENDING: 2, JobState.CANCELLED: 1}
        assert ids(JobFilter(started=True)) == []
        (claimed,) = store.claim(worker("me"), "code", 1)
        store.release([claimed.claim])
        assert ids(JobFilter(started=True, states={JobState.PENDING})) == [claimed.claim.job_id]

    def test_looks_at_one_batch_only(self, store: JobStore) -> None:
        store.enqueue([job("code"), job("video", batch_id="b"), job("video", delay_seconds=3)])
        store.enqueue([job("video", batch_id="b", delay_seconds=7)])
        assert store.ready() == {"code": 1, "video": 1}
        assert store.ready("b") == {"video": 1}
        assert (store.next_due(), store.next_due("b"), store.next_due("c")) == (3.0, 7.0, None)

    def test_the_type_whose_job_is_next_comes_first(self, store: JobStore) -> None:
        store.enqueue([job("code"), job("video"), job("audio", priority=Priority.LOW)])
        assert list(store.ready()) == ["code", "video", "audio"]
        store.enqueue([job("video", priority=Priority.HIGH)])
        assert list(store.ready().items()) == [("video", 2), ("code", 1), ("audio", 1)]

    def test_a_line_is_counted_no_further_than_asked(self, store: JobStore) -> None:
        store.enqueue([job("code"), *[job("video", batch_id="b") for _ in range(5)], job("video")])
        assert list(store.ready(most=3).items()) == [("code", 1), ("video", 3)]
        assert store.ready("b", most=3) == {"video": 3}
        assert store.ready(most=100) == store.ready() == {"code": 1, "video": 6}
        store.limit_queue("video", QueueLimits(max_running=2))
        assert store.ready(most=4) == {"code": 1, "video": 2}

    def test_events_can_be_followed(self, store: JobStore) -> None:
        assert store.last_event() == 0
        first, second = one_claimed(store).claim, one_claimed(store).claim
        seen = store.events(limit=3)
        assert store.last_event() == seen[-1].seq + 1
        assert [event.kind for event in seen] == ["enqueued", "claimed", "enqueued"]
        assert [event.job_id for event in seen] == [first.job_id, first.job_id, second.job_id]
        assert seen[1].data == {"attempt": 1, "worker_id": "w1"}
        last = seen[-1].seq
        assert [event.kind for event in store.events(after=last)] == ["claimed"]
        store.settle([completed(second)])
        store.purge([second.job_id])
        store.enqueue([job()])
        (newest,) = store.events(after=seen[1].seq)
        assert newest.seq > last + 2, "a number is not used again"
        assert store.events(job_id=first.job_id, after=seen[0].seq) == [seen[1]]
        assert store.events(limit=0) == []

    def test_costs_by_type_and_by_day(self, store: JobStore, clock: ManualClock) -> None:
        yesterday = store.now().date()
        usage = Usage(wall_us=500_000, cpu_us=250_000)
        store.settle([completed(one_claimed(store).claim, usage=usage, cost_nanos=10**12)])
        clock.advance(24 * 3600)
        code = one_claimed(store, job_type="code").claim
        store.settle([failed(code, usage=usage, cost_nanos=1)])
        store.retry([code.job_id])
        store.settle([completed(store.claim(worker(), "code", 1)[0].claim, usage=usage, cost_nanos=2)])
        by_type = [(row.key, row.jobs, row.attempts, row.cost_nanos) for row in store.costs(CostGroup.TYPE)]
        assert by_type == [("code", 1, 2, 3), ("video", 1, 1, 10**12)]
        by_day = store.costs(CostGroup.DAY)
        assert [row.key for row in by_day] == [str(yesterday), str(store.now().date())]
        assert (by_day[1].wall_seconds, by_day[1].cpu_seconds, by_day[1].cost_nanos) == (1.0, 0.5, 3)
        assert store.costs(CostGroup.DAY, since=store.now()) == by_day[1:]

    def test_changes_are_noticed(self, store: JobStore) -> None:
        quiet = store.change_counter()
        assert store.change_counter() == quiet
        (job_id,) = store.enqueue([job()])
        changed = store.wait_for_change(quiet, 10)
        assert changed != quiet
        assert store.change_counter() == changed
        store.get(job_id or "")
        assert store.claim(worker(), "code", 1) == []
        assert store.rescue(worker()) == []
        assert store.promote_due() == 0
        assert store.wait_for_change(changed, 0.05) == changed, "looking is no change"

    def test_the_record_is_json(self, store: JobStore) -> None:
        claim = one_claimed(store).claim
        store.settle([completed(claim, cost_nanos=123_456)])
        record = store.get(claim.job_id)
        assert record is not None
        shown = record.as_record()
        assert (shown["status"], shown["estimated_cost_usd"]) == ("completed", "0.000123456")
        assert shown["created_at"] == record.created_at.isoformat()
