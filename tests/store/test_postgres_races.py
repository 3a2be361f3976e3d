"""Two transactions at the same time on Postgres: the second one commits after the first one has looked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
import pytest
from sqlalchemy import create_engine

from pitchey_runner.store import open_store
from pitchey_runner.store.interface import (
    Budget,
    BudgetPeriod,
    BudgetScope,
    BudgetStatus,
    JobState,
    JobStore,
    Settlement,
    Unique,
)
from pitchey_runner.store.joining import enqueue_in
from pitchey_runner.store.postgres.connection import PostgresConnection
from pitchey_runner.store.sql import line_statements, producing, queueing, settling
from pitchey_runner.testing.store_samples import completed, failed, job, one_claimed, worker

T = TypeVar("T")
NOW = time.time_ns() // 1000
BUDGET = Budget(BudgetScope.ALL, "*", BudgetPeriod.TOTAL, 100)


@pytest.fixture
def store(database: str) -> Iterator[JobStore]:
    with open_store(database) as store:
        yield store


@contextmanager
def transaction(url: str) -> Iterator[PostgresConnection]:
    """One that is open until the end of the block: what a store does, and does not commit yet."""
    with psycopg.connect(url) as raw:
        yield PostgresConnection(raw)


@pytest.fixture
def meanwhile() -> Iterator[Callable[[Callable[[], T]], Future[T]]]:
    """Calls something in another thread, and gives it a moment to get stuck."""
    with ThreadPoolExecutor(2) as pool:

        def call(what: Callable[[], T]) -> Future[T]:
            future = pool.submit(what)
            time.sleep(0.3)
            return future

        yield call


def test_a_budget_that_is_set_while_an_attempt_ends_knows_its_cost(
    store: JobStore, database: str, meanwhile: Callable[[Callable[[], Any]], Future[Any]]
) -> None:
    ending = completed(one_claimed(store).claim, cost_nanos=60)
    with transaction(database) as settles:
        assert settling.settle(settles, NOW, [ending]) == [True]
        setting: Future[BudgetStatus] = meanwhile(lambda: store.set_budget(BUDGET))
    assert setting.result(20).spent_nanos == 60
    (status,) = store.budgets()
    assert (status.spent_nanos, [event.threshold for event in store.budget_events()]) == (60, [50])


def test_an_attempt_that_ends_while_a_budget_is_set_is_charged_to_it(
    store: JobStore, database: str, meanwhile: Callable[[Callable[[], Any]], Future[Any]]
) -> None:
    ending = completed(one_claimed(store).claim, cost_nanos=60)
    with transaction(database) as sets:
        assert queueing.set_budget(sets, NOW, BUDGET).spent_nanos == 0
        settled: Future[list[bool]] = meanwhile(lambda: store.settle([ending]))
    assert settled.result(20) == [True]
    (status,) = store.budgets()
    assert status.spent_nanos == 60


def test_of_two_retries_with_one_unique_key_one_has_it_and_the_other_is_told(
    store: JobStore, database: str, meanwhile: Callable[[Callable[[], Any]], Future[Any]]
) -> None:
    ended = []
    for _ in range(2):
        claim = one_claimed(store, unique=Unique("one")).claim
        store.settle([failed(claim)])
        ended.append(claim.job_id)
    with transaction(database) as retries:
        assert producing.retry(retries, NOW, ended[:1]) == [JobState.PENDING]
        retried: Future[list[JobState | None]] = meanwhile(lambda: store.retry(ended[1:]))
    assert retried.result(20) == [JobState.FAILED], "it stays as it is: another one has its key"
    assert store.counts() == {JobState.PENDING: 1, JobState.FAILED: 1}


def test_a_retry_against_a_submission_with_its_unique_key_is_told(
    store: JobStore, database: str, meanwhile: Callable[[Callable[[], Any]], Future[Any]]
) -> None:
    claim = one_claimed(store, unique=Unique("one")).claim
    store.settle([failed(claim)])
    new = job(unique=Unique("one"))
    with transaction(database) as enqueues:
        assert producing.enqueue(enqueues, NOW, producing.prepare([new], None), None) == [new.id]
        retried: Future[list[JobState | None]] = meanwhile(lambda: store.retry([claim.job_id]))
    assert retried.result(20) == [JobState.FAILED]


def test_a_submission_whose_key_becomes_free_while_it_looks_who_has_it_goes_in(
    store: JobStore, database: str
) -> None:
    (holder,) = store.enqueue([job(unique=Unique("one"))])
    assert holder is not None

    class Slow(PostgresConnection):
        """The job that has the key ends after the insertion has met it, and before anybody asks which it is."""

        def execute(self, statement: str, values: Mapping[str, Any] | None = None, /) -> psycopg.Cursor[Any]:
            if statement == line_statements.UNIQUE_HOLDER:
                store.cancel([holder])
            return super().execute(statement, values)

    new = job(unique=Unique("one"))
    with psycopg.connect(database) as raw:
        assert producing.enqueue(Slow(raw), NOW, producing.prepare([new], None), None) == [new.id]
    assert store.counts() == {JobState.CANCELLED: 1, JobState.PENDING: 1}


def test_events_that_are_committed_late_are_not_missed(store: JobStore, database: str) -> None:
    """Their numbers are lower than those of events that are there already; and nobody is kept waiting for them."""
    assert store.last_event() == 0
    store.enqueue([job()])
    (first,) = store.events()
    late = job()
    engine = create_engine("postgresql+psycopg://" + database.partition("://")[2])
    with engine.begin() as theirs:
        enqueue_in(store, theirs, [late])
        store.settle([_claimed_and_done(store)])
        began = time.monotonic()
        assert [event.seq for event in store.events()] == [first.seq], "the next one may still come"
        assert store.last_event() == first.seq, "who begins to follow now must not begin behind it"
        assert time.monotonic() - began < 10
    engine.dispose()
    followed = store.events(after=first.seq)
    assert [(event.job_id == late.id, event.kind) for event in followed] == [
        (True, "enqueued"),
        (False, "claimed"),
        (False, "completed"),
    ]
    assert store.last_event() == followed[-1].seq


def test_a_transaction_that_has_enqueued_into_a_line_keeps_nobody_waiting(
    store: JobStore, database: str
) -> None:
    keyed = [job(concurrency_key="k", concurrency_limit=1) for _ in range(3)]
    store.enqueue(keyed[:1])
    (running,) = store.claim(worker(), "video", 5)
    engine = create_engine("postgresql+psycopg://" + database.partition("://")[2])
    with engine.begin() as theirs:
        enqueue_in(store, theirs, keyed[1:])
        store.enqueue([job(concurrency_key="other", concurrency_limit=1)])
        assert len(store.claim(worker(), "video", 5)) == 1
        # The line of their key moves on without them, who are not there yet.
        assert store.settle([completed(running.claim)]) == [True]
    engine.dispose()
    assert store.claim(worker(), "video", 5) == []
    store.promote_due()
    (second,) = store.claim(worker(), "video", 5)
    assert second.claim.job_id == keyed[1].id
    store.promote_due()
    assert store.claim(worker(), "video", 5) == []
    store.settle([completed(second.claim)])
    assert [each.claim.job_id for each in store.claim(worker(), "video", 5)] == [keyed[2].id]


def test_what_was_rolled_back_keeps_no_follower_waiting(store: JobStore, database: str) -> None:
    with pytest.raises(ZeroDivisionError), transaction(database) as enqueues:  # noqa: PT012
        producing.enqueue(enqueues, NOW, producing.prepare([job()], None), None)
        raise ZeroDivisionError
    store.enqueue([job()])
    (event,) = store.events()
    assert store.last_event() == event.seq


def _claimed_and_done(store: JobStore) -> Settlement:
    return completed(store.claim(worker(), "video", 1)[0].claim)
