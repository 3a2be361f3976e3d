"""Conformance of a job store: unique jobs, and jobs that wait for others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pitchey_core.errors import StoreError, UnknownName
from pitchey_runner.store.interface import (
    Dependency,
    JobState,
    JobStore,
    NewJob,
    OnFailure,
    ReasonKind,
    Unique,
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

__all__ = ["DependencyChecks"]

_S = JobState


class DependencyChecks:
    """One job of a key; no job before those that it depends on."""

    # -- unique -------------------------------------------------------------------------------------

    def test_there_is_one_unfinished_job_of_a_key(self, store: JobStore) -> None:
        first, again, other = unique(), unique(), unique("other")
        assert store.enqueue([first, again, other]) == [first.id, first.id, other.id]
        assert store.enqueue([again]) == [first.id]
        assert store.get(again.id) is None
        (claimed, _) = store.claim(worker(), "video", 5)
        assert store.enqueue([again]) == [first.id]
        store.settle([retried(claimed.claim)])
        assert store.enqueue([again]) == [first.id]
        store.promote_due()
        (claimed,) = store.claim(worker(), "video", 5)
        store.settle([failed(claimed.claim)])
        assert store.enqueue([again, first_like(again)]) == [again.id, again.id]
        record = store.get(again.id)
        assert record is not None
        assert record.unique_key == "k"

    def test_a_key_is_one_of_a_type_and_an_organization(self, store: JobStore) -> None:
        jobs = [unique(), unique(organization_id="films"), job("code", unique=Unique("k"))]
        assert store.enqueue(jobs) == [each.id for each in jobs]

    def test_a_key_is_free_after_a_cancellation(self, store: JobStore) -> None:
        first, second = unique(), unique()
        store.enqueue([first])
        store.cancel([first.id])
        assert store.enqueue([second]) == [second.id]
        assert store.retry([first.id]) == [_S.CANCELLED], "it would be the second of its key"
        store.cancel([second.id])
        assert store.retry([first.id]) == [_S.PENDING]
        assert store.enqueue([first_like(first)]) == [first.id]

    def test_a_key_can_be_taken_for_a_time(self, store: JobStore, clock: ManualClock) -> None:
        first, second, third = (unique(seconds=60) for _ in range(3))
        assert store.enqueue([first, second]) == [first.id, first.id]
        (claimed,) = store.claim(worker(), "video", 1)
        store.settle([completed(claimed.claim)])
        clock.advance(59.9)
        assert store.enqueue([second]) == [first.id]
        clock.advance(0.1)
        assert store.enqueue([second, third]) == [second.id, second.id]

    def test_a_key_is_taken_once_by_many_at_a_time(self, store: JobStore) -> None:
        def give(_: int) -> list[str | None]:
            return store.enqueue([unique(str(number)) for number in range(20)])

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(give, range(8)))
        assert store.counts() == {_S.PENDING: 20}
        assert all(answer == answers[0] for answer in answers)

    # -- dependencies -------------------------------------------------------------------------------

    def test_a_job_waits_for_others(self, store: JobStore) -> None:
        one, two = job(), job()
        child = after(one, two)
        assert store.enqueue([one, two, child]) == [one.id, two.id, child.id]
        assert store.counts() == {_S.PENDING: 2, _S.BLOCKED: 1}
        first, second = (each.claim for each in store.claim(worker(), "video", 5))
        store.settle([completed(first)])
        explanation = store.why(child.id)
        assert explanation is not None
        (reason,) = explanation.reasons
        assert (reason.kind, reason.name, reason.state) == (ReasonKind.DEPENDENCY, two.id, "processing")
        store.settle([completed(second)])
        assert state(store, child) is _S.PENDING
        assert [event.kind for event in store.events(job_id=child.id)] == ["enqueued", "unblocked"]

    def test_a_job_does_not_wait_for_what_is_done(self, store: JobStore, clock: ManualClock) -> None:
        done = one_claimed(store).claim
        store.settle([completed(done)])
        child = job(depends_on=(Dependency(done.job_id),))
        late = job(depends_on=(Dependency(done.job_id), Dependency(child.id)), delay_seconds=60)
        store.enqueue([child, late])
        assert (state(store, child), state(store, late)) == (_S.PENDING, _S.BLOCKED)
        store.settle([completed(each.claim) for each in store.claim(worker(), "video", 5)])
        assert state(store, late) is _S.SCHEDULED
        clock.advance(60)
        assert store.promote_due() == 1

    def test_only_older_jobs_can_be_waited_for(self, store: JobStore) -> None:
        one = job()
        for wrong in (after(one), job(id="me", depends_on=(Dependency("me"),))):
            with pytest.raises(UnknownName, match="job"):
                store.enqueue([wrong, one])
        with pytest.raises(StoreError):
            store.enqueue([one, after(one)], claimed_by=worker())
        assert store.counts() == {}

    @pytest.mark.parametrize("policy", OnFailure)
    @pytest.mark.parametrize("early", [True, False])
    @pytest.mark.parametrize("end", ["failed", "cancelled"])
    def test_what_a_failure_means_for_those_who_wait(
        self, store: JobStore, policy: OnFailure, early: bool, end: str
    ) -> None:
        parent = job()
        child = after(parent, policy=policy)
        grandchild = job(depends_on=(Dependency(child.id),))
        family = [child, grandchild]
        store.enqueue([parent, *family] if early else [parent])
        if end == "failed":
            (claimed,) = store.claim(worker(), "video", 1)
            store.settle([failed(claimed.claim)])
        else:
            store.cancel([parent.id])
        if not early:
            store.enqueue(family)
        expected = {
            OnFailure.CANCEL: (_S.CANCELLED, _S.CANCELLED),
            OnFailure.RUN: (_S.PENDING, _S.BLOCKED),
            OnFailure.HOLD: (_S.BLOCKED, _S.BLOCKED),
        }
        assert (state(store, child), state(store, grandchild)) == expected[policy]
        record = store.get(child.id)
        assert record is not None
        if policy is OnFailure.CANCEL:
            assert record.error is not None
            assert parent.id in record.error["message"]
            assert store.events(job_id=child.id)[-1].data == {"parent": parent.id}
        if policy is OnFailure.HOLD:
            assert store.purge([parent.id]) == 0, "somebody waits for it"
            store.retry([parent.id])
            (claimed,) = store.claim(worker(), "video", 1)
            store.settle([completed(claimed.claim)])
            assert state(store, child) is _S.PENDING
            assert store.purge([parent.id]) == 1

    def test_a_retry_waits_again_for_what_is_not_finished(self, store: JobStore) -> None:
        parent = job()
        child = after(parent)
        store.enqueue([parent, child])
        store.cancel([parent.id])
        assert store.retry([child.id, parent.id]) == [_S.BLOCKED, _S.PENDING]
        (claimed,) = store.claim(worker(), "video", 5)
        store.settle([failed(claimed.claim)])
        assert state(store, child) is _S.CANCELLED
        assert store.retry([child.id]) == [_S.PENDING], "a person has the last word"

    def test_a_lost_parent_is_waited_for_until_it_is_given_up(
        self, store: JobStore, clock: ManualClock
    ) -> None:
        parent = job()
        child = after(parent, policy=OnFailure.RUN)
        store.enqueue([parent, child])
        for _ in range(3):
            assert state(store, child) is _S.BLOCKED
            store.promote_due()
            assert len(store.claim(worker("dead"), "video", 1)) == 1
            store.rescue(worker("rescuer"), {"dead"})
            clock.advance(60)
        assert (state(store, parent), state(store, child)) == (_S.FAILED, _S.PENDING)


def unique(key: str = "k", seconds: float | None = None, **changes: Any) -> NewJob:
    return job(unique=Unique(key, seconds), **changes)


def first_like(other: NewJob) -> NewJob:
    return job(unique=other.unique)


def after(*parents: NewJob, policy: OnFailure = OnFailure.CANCEL) -> NewJob:
    return job(depends_on=tuple(Dependency(each.id, policy) for each in parents))


def state(store: JobStore, new: NewJob) -> JobState:
    record = store.get(new.id)
    assert record is not None
    return record.status
