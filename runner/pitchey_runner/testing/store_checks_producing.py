"""Conformance of a job store towards those who give work."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pitchey_core.errors import StoreError
from pitchey_runner.store.interface import JobStore
from pitchey_runner.store.records import CostGroup, JobFilter, JobState, ManifestCommit, Priority, Unique
from pitchey_runner.testing.store_samples import ManualClock, completed, failed, job, one_claimed, worker

__all__ = ["ProducingChecks"]


class ProducingChecks:
    """Enqueue, cancel, retry, purge."""

    def test_enqueued_job_is_pending_and_complete(self, store: JobStore) -> None:
        new = job(
            "video",
            priority=Priority.HIGH,
            output="file:///out/",
            overwrite=True,
            max_attempts=2,
            instance_type="standard-2",
            wall_limit=12.5,
            batch_id="batch",
            item_key="item",
            input_digest="sha256:0",
            plugin_version="1.2",
            organization_id="films",
            submitted_by="ada",
        )
        assert store.enqueue([new]) == [new.id]
        record = store.get(new.id)
        assert record is not None
        assert record.created_at == record.run_at == store.now()
        assert record.status is JobState.PENDING
        for name in ("id", "type", "payload", "priority", "output", "overwrite", "max_attempts", "batch_id"):
            assert getattr(record, name) == getattr(new, name)
        for name in ("item_key", "instance_type", "plugin_version", "organization_id", "submitted_by"):
            assert getattr(record, name) == getattr(new, name)
        assert record.wall_limit == 12.5
        assert (record.retry_count, record.lost_count, record.claim_seq, record.cost_nanos) == (0, 0, 0, 0)
        assert [event.kind for event in store.events(job_id=new.id)] == ["enqueued"]

    def test_payload_comes_back_as_it_was(self, store: JobStore) -> None:
        payload: dict[str, Any] = {"ünï": ["\x00", "\udc80", None, True, 1.5, 2**70, {"": []}], "'": '";--'}
        claimed = one_claimed(store, payload=payload)
        record = store.get(claimed.claim.job_id)
        assert record is not None
        assert claimed.payload == record.payload == payload

    def test_answers_are_in_the_order_of_the_jobs(self, store: JobStore) -> None:
        jobs = [job() for _ in range(1000)]
        assert store.enqueue(jobs) == [each.id for each in jobs]
        assert store.counts() == {JobState.PENDING: 1000}

    def test_many_go_in_at_once_each_as_it_is(self, store: JobStore) -> None:
        odd = ["", "\\N", "\\", "a\tb", "a\nb\r", "\\t", "\\.", '{"a",NULL}', "ünï\u2028", "'); --", None]
        jobs = [
            job(
                payload={"text": odd[number % len(odd)], "number": number},
                submitted_by=odd[number % len(odd)],
                priority=list(Priority)[number % 3],
                delay_seconds=60.0 if number % 7 == 0 else 0.0,
                wall_limit=number / 8,
                input_bytes=None if number % 2 else number,
                overwrite=number % 5 == 0,
            )
            for number in range(2500)
        ]
        assert store.enqueue(jobs) == [each.id for each in jobs]
        names = (
            "id",
            "payload",
            "submitted_by",
            "priority",
            "wall_limit",
            "input_bytes",
            "overwrite",
            "output",
        )
        records = store.list(limit=len(jobs), newest_first=False)
        for new, record in zip(jobs, records, strict=True):
            assert [getattr(record, name) for name in names] == [getattr(new, name) for name in names]
            delayed = new.delay_seconds > 0
            assert record.status is (JobState.SCHEDULED if delayed else JobState.PENDING)
            assert record.run_at - record.created_at == timedelta(seconds=new.delay_seconds)
        events = store.events(limit=len(jobs))
        assert [(each.job_id, each.state) for each in events] == [(each.id, each.status) for each in records]

    def test_one_of_many_that_is_known_refuses_all(self, store: JobStore) -> None:
        known = job()
        store.enqueue([known])
        with pytest.raises(StoreError):
            store.enqueue([*(job() for _ in range(1500)), known])
        assert store.counts() == {JobState.PENDING: 1}
        jobs = [job() for _ in range(1500)]
        assert store.enqueue(jobs) == [each.id for each in jobs]

    def test_one_id_twice_is_refused_for_that_whatever_its_key_says(self, store: JobStore) -> None:
        twice = job(unique=Unique("key"))
        with pytest.raises(StoreError, match="is there already"):
            store.enqueue([twice, job(), twice])
        assert store.counts() == {}
        store.enqueue([twice])
        with pytest.raises(StoreError, match="is there already"):
            store.enqueue([job(), twice])
        assert store.counts() == {JobState.PENDING: 1}

    def test_nothing_enqueued(self, store: JobStore) -> None:
        assert store.enqueue([]) == []
        assert store.counts() == {}

    def test_item_is_enqueued_once_per_batch(self, store: JobStore) -> None:
        first, again = job(batch_id="b", item_key="k"), job(batch_id="b", item_key="k")
        other, loose, twin = job(batch_id="c", item_key="k"), job(batch_id="b"), job(batch_id="b")
        assert store.enqueue([first, again, loose]) == [first.id, None, loose.id]
        assert store.enqueue([again, other, twin]) == [None, other.id, twin.id]
        assert store.get(again.id) is None
        assert store.counts(JobFilter(batch_id="b")) == {JobState.PENDING: 3}

    def test_a_refused_job_refuses_all(self, store: JobStore) -> None:
        known = job()
        store.enqueue([known])
        with pytest.raises(StoreError):
            store.enqueue([job(), known])
        with pytest.raises(StoreError):
            store.enqueue([job(), job(max_attempts=0)])
        assert store.counts() == {JobState.PENDING: 1}
        assert len(store.events()) == 1

    def test_delayed_job_waits_until_it_is_due(self, store: JobStore, clock: ManualClock) -> None:
        late, soon = job(delay_seconds=60), job(delay_seconds=0.5)
        store.enqueue([late, soon])
        assert store.counts() == {JobState.SCHEDULED: 2}
        assert store.claim(worker(), "video", 2) == []
        assert store.next_due() == 0.5
        clock.advance(0.25)
        assert (store.next_due(), store.promote_due()) == (0.25, 0)
        clock.advance(0.5)
        assert store.next_due() == 0
        assert store.promote_due() == 1
        assert [each.claim.job_id for each in store.claim(worker(), "video", 2)] == [soon.id]
        assert store.promote_due() == 0
        assert store.next_due() == 59.25

    def test_promotes_no_more_than_asked_the_earliest_first(
        self, store: JobStore, clock: ManualClock
    ) -> None:
        later, sooner = job(delay_seconds=2), job(delay_seconds=1)
        store.enqueue([later, sooner])
        clock.advance(2)
        assert store.promote_due(1) == 1
        assert [record.id for record in store.list(JobFilter(states={JobState.PENDING}))] == [sooner.id]
        assert store.promote_due(0) == 0

    def test_enqueued_as_already_claimed(self, store: JobStore) -> None:
        owner = worker()
        store.register_worker(owner)
        new = job()
        store.enqueue([new], claimed_by=owner)
        (claimed,) = store.claimed(owner.id)
        assert (claimed.claim.job_id, claimed.claim.claim_seq, claimed.attempt) == (new.id, 1, 1)
        assert claimed.lease_until - claimed.created_at == timedelta(seconds=30)
        assert store.claim(worker("other"), "video", 1) == []
        assert store.settle([completed(claimed.claim)]) == [True]
        kinds = [event.kind for event in store.events(job_id=new.id)]
        assert kinds == ["enqueued", "claimed", "completed"]

    def test_cancels_what_waits_at_once(self, store: JobStore) -> None:
        pending, scheduled = job(), job(delay_seconds=60)
        store.enqueue([pending, scheduled])
        answer = store.cancel([pending.id, scheduled.id, "nobody"])
        assert answer == [JobState.CANCELLED, JobState.CANCELLED, None]
        record = store.get(pending.id)
        assert record is not None
        assert record.cancel_requested
        assert record.completed_at is not None
        assert store.claim(worker(), "video", 1) == []
        assert store.cancel([pending.id]) == [JobState.CANCELLED]
        assert [event.kind for event in store.events(job_id=pending.id)] == ["enqueued", "cancelled"]

    def test_cancel_of_a_running_job_is_left_to_its_worker(self, store: JobStore) -> None:
        claimed = one_claimed(store)
        job_id = claimed.claim.job_id
        assert store.cancellations("w1") == []
        assert store.cancel([job_id]) == store.cancel([job_id]) == [JobState.PROCESSING]
        assert store.cancellations("w1") == [claimed.claim]
        assert store.cancellations("other") == []
        kinds = [event.kind for event in store.events(job_id=job_id)]
        assert kinds == ["enqueued", "claimed", "cancel_requested"]

    def test_finished_jobs_keep_their_state(self, store: JobStore) -> None:
        done, broken = one_claimed(store).claim, one_claimed(store).claim
        store.settle([completed(done), failed(broken)])
        assert store.cancel([done.job_id, broken.job_id]) == [JobState.COMPLETED, JobState.FAILED]

    def test_a_committed_job_can_not_be_cancelled(self, store: JobStore) -> None:
        claim = one_claimed(store).claim
        assert store.commit_manifests([ManifestCommit(claim, {}, {})]) == [True]
        assert store.cancel([claim.job_id]) == [JobState.PROCESSING]
        assert store.cancellations("w1") == []
        assert store.release([claim]) == [True]
        assert store.cancel([claim.job_id]) == [JobState.PENDING]

    def test_retry_begins_anew_and_keeps_the_history(self, store: JobStore) -> None:
        broken = one_claimed(store).claim
        store.settle([failed(broken, cost_nanos=7)])
        cancelled, running = job(), job("code")
        store.enqueue([cancelled, running])
        store.cancel([cancelled.id])
        store.claim(worker(), "code", 1)
        answer = store.retry([broken.job_id, cancelled.id, running.id, "nobody"])
        assert answer == [JobState.PENDING, JobState.PENDING, JobState.PROCESSING, None]
        record = store.get(broken.job_id)
        assert record is not None
        assert (record.retry_count, record.error, record.completed_at, record.cost_nanos) == (
            0,
            None,
            None,
            7,
        )
        again = store.claim(worker(), "video", 2)
        assert [each.claim.job_id for each in again] == [broken.job_id, cancelled.id]
        assert (again[0].attempt, again[0].claim.claim_seq) == (1, 2)
        assert [each.number for each in store.attempts(broken.job_id)] == [1, 1]

    def test_purge_takes_finished_jobs_only_and_spares_the_ledger(self, store: JobStore) -> None:
        done = one_claimed(store).claim
        store.settle([completed(done, cost_nanos=5)])
        waiting = job()
        store.enqueue([waiting])
        assert store.purge([done.job_id, waiting.id, "nobody"]) == 1
        assert store.get(done.job_id) is None
        assert store.attempts(done.job_id) == []
        assert store.events(job_id=done.job_id) == []
        assert store.get(waiting.id) is not None
        (row,) = store.costs(CostGroup.TYPE)
        assert (row.jobs, row.cost_nanos) == (1, 5)
