"""What a supervisor makes of queues: limits at work, schedules, retention, rules about errors."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import anyio
import pytest
from workplace import Workplace

from pitchey_core.errors import (
    InputError,
    LimitExceeded,
    PitcheyError,
    SlotCrashed,
    ToolFailed,
    TransientError,
)
from pitchey_core.host import Host
from pitchey_core.retrying import RetryRule
from pitchey_runner.store.interface import (
    AttemptOutcome,
    JobState,
    NewSchedule,
    Priority,
    QueueLimits,
    RateLimit,
)
from pitchey_runner.store.sqlite.store import SqliteStore
from pitchey_runner.supervisor import Event, JobSettled, JobStarted, Supervisor
from pitchey_runner.supervisor.policy import judge
from pitchey_runner.testing.store_model import ModelStore
from pitchey_runner.testing.store_samples import ManualClock, one_claimed


def test_jobs_of_a_key_run_one_at_a_time(workplace: Workplace) -> None:
    jobs = [
        replace(workplace.job("test-sleep", seconds=0.05), concurrency_key="k", concurrency_limit=1)
        for _ in range(4)
    ]
    records, _ = workplace.drain(*jobs)
    assert {record.status for record in records} == {JobState.COMPLETED}
    spans = sorted((record.started_at, record.completed_at) for record in records)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def most_at_once(events: list[Event]) -> int:
    most = now = 0
    for event in events:
        now += isinstance(event, JobStarted) - isinstance(event, JobSettled)
        most = max(most, now)
    return most


@pytest.mark.parametrize("queue", ["test-sleep", "*"])
def test_the_stores_figure_for_slots_counts_instead_of_the_settings(workplace: Workplace, queue: str) -> None:
    free, events = workplace.drain(*[workplace.job("test-sleep", seconds=0.3) for _ in range(4)])
    assert most_at_once(events) > 1
    with workplace.store() as store:
        store.limit_queue(queue, QueueLimits(max_slots=1))
    slow, events = workplace.drain(*[workplace.job("test-sleep", seconds=0.1) for _ in range(4)])
    assert most_at_once(events) == 1
    assert {record.status for record in [*free, *slow]} == {JobState.COMPLETED}


@pytest.mark.parametrize("capped_by", ["worker", "store"])
def test_where_lanes_are_what_lacks_queues_take_turns_as_their_jobs_stand_in_line(
    workplace: Workplace, capped_by: str
) -> None:
    """Or one that always has jobs would keep out the others, however urgent theirs are, for as long as it has them."""
    host = Host.from_settings(
        workplace.registry,
        **workplace.overrides,
        processors={"test-sleep": {"instance_type": "standard-1"}},
    )
    large = [
        replace(workplace.job("test-sleep", seconds=0.11), instance_type="standard-1") for _ in range(12)
    ]
    urgent = replace(workplace.job("test-noop", value=1), priority=Priority.HIGH)
    events: list[Event] = []
    with workplace.store() as store:
        if capped_by == "store":
            store.limit_queue("*", QueueLimits(max_slots=1))
        store.enqueue([*large, urgent])
        most = 1 if capped_by == "worker" else None
        supervisor = Supervisor(store, host, max_slots=most, watcher=events.append)
        anyio.run(partial(supervisor.run, drain=True))
    started = [event.job_id for event in events if isinstance(event, JobStarted)]
    # Who starts first is decided before anybody has had to wait.
    assert started.index(urgent.id) <= host.queue("test-sleep").batch_size
    assert len(started) == 13


def test_a_drain_waits_for_a_rate(workplace: Workplace) -> None:
    with workplace.store() as store:
        store.limit_queue("test-noop", QueueLimits(rate=RateLimit(2, 0.5)))
    records, _ = workplace.drain(*[workplace.job("test-noop", value=n) for n in range(5)])
    assert {record.status for record in records} == {JobState.COMPLETED}
    starts = sorted(record.started_at for record in records)
    assert (starts[-1] - starts[0]).total_seconds() >= 0.7


def test_a_drain_does_not_end_because_a_rate_allows_the_next_start_just_now(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = SqliteStore.ready

    def slowly(store: SqliteStore, *args: Any, **options: Any) -> dict[str, int]:
        answer = ready(store, *args, **options)
        if not answer and options == {"most": 1}:
            # By the next question the time has come.
            time.sleep(0.3)
        return answer

    with workplace.store() as store:
        store.limit_queue("test-noop", QueueLimits(rate=RateLimit(1, 0.25)))
    monkeypatch.setattr(SqliteStore, "ready", slowly)
    records, _ = workplace.drain(*[workplace.job("test-noop", value=n) for n in range(3)])
    assert [record.status for record in records] == [JobState.COMPLETED] * 3


def test_a_drain_does_not_wait_for_a_paused_queue(workplace: Workplace) -> None:
    with workplace.store() as store:
        store.pause_queue("test-noop", paused=True)
    (waiting, done), _ = workplace.drain(workplace.job("test-noop"), workplace.job("test-sleep", seconds=0))
    assert (waiting.status, done.status) == (JobState.PENDING, JobState.COMPLETED)


def test_a_supervisor_fires_schedules_and_deletes_what_is_old(workplace: Workplace) -> None:
    host = Host.from_settings(
        workplace.registry, **workplace.overrides, retention={"completed": 0, "failed": 1000}
    )
    with workplace.store() as store:
        old = workplace.drain(workplace.job("test-noop"), workplace.job("test-fail", error="InputError"))[0]
        store.set_schedule(NewSchedule("each minute", "* * * * *", workplace.job("test-noop", value=7)))
        with closing(sqlite3.connect(workplace.root / "jobs.db")) as connection, connection:
            # Nobody wants to wait for the next one.
            connection.execute("UPDATE schedule SET next_fire_at = next_fire_at - 60000000")

        def stop_after_the_scheduled(event: Event) -> None:
            if isinstance(event, JobStarted) and event.payload.get("value") == 7:
                supervisor.stop()

        supervisor = Supervisor(store, host, watcher=stop_after_the_scheduled)
        anyio.run(supervisor.run)
        (record,) = store.schedules()
        left = {each.id: each.schedule for each in store.list()}
    assert record.last_job_id in left
    assert left[str(record.last_job_id)] == "each minute"
    assert old[0].id not in left
    assert old[1].id in left


RULES = (
    RetryRule(error="ToolFailed", exit_code=69, retries=5),
    RetryRule(signal="SIGKILL", retries=1, backoff=0.0),
    RetryRule(error="TransientError", retries=0),
)


@pytest.mark.parametrize(
    ("error", "attempt", "again"),
    [
        (ToolFailed("no", tool="ffmpeg", returncode=69), 5, True),
        (ToolFailed("no", tool="ffmpeg", returncode=69), 6, False),
        (ToolFailed("no", tool="ffmpeg", returncode=1), 1, False),
        (ToolFailed("no", tool="ffmpeg", returncode=-9), 1, True),
        (ToolFailed("no", tool="ffmpeg", returncode=-9), 2, False),
        (SlotCrashed("dead", returncode=-9), 1, True),
        (SlotCrashed("dead", returncode=-11), 1, False),
        (TransientError("later"), 1, False),
        (InputError("never"), 1, False),
        (LimitExceeded("much", limit="memory"), 1, True),
    ],
)
def test_the_first_rule_that_matches_decides(error: PitcheyError, attempt: int, again: bool) -> None:
    store = ModelStore(clock=ManualClock())
    job = replace(one_claimed(store, max_attempts=3), attempt=attempt)
    verdict = judge(job, error, rules=RULES)
    assert verdict.outcome is AttemptOutcome.FAILED
    assert verdict.state is (JobState.SCHEDULED if again else JobState.FAILED)


def test_lost_attempts_do_not_count() -> None:
    job = replace(one_claimed(ModelStore(clock=ManualClock())), attempt=3, lost_count=2)
    assert judge(job, SlotCrashed("dead", returncode=-9), rules=RULES).state is JobState.SCHEDULED


def test_rules_of_the_settings_are_obeyed(workplace: Workplace) -> None:
    rules: list[dict[str, Any]] = [{"error": "ProcessorError", "retries": 0}]
    host = Host.from_settings(
        workplace.registry, **workplace.overrides, queues={"test-fail": {"retry_rules": rules}}
    )
    assert host.queue("test-fail").retry_rules == (RetryRule(error="ProcessorError", retries=0),)
    with workplace.store() as store:
        (job_id,) = store.enqueue([workplace.job("test-fail")])
        run: Callable[..., Any] = partial(Supervisor(store, host).run, drain=True)
        anyio.run(run)
        record = store.get(str(job_id))
    assert record is not None
    assert (record.status, record.retry_count) == (JobState.FAILED, 0)


def test_a_process_that_was_killed_says_by_what(workplace: Workplace) -> None:
    (record,), _ = workplace.drain(replace(workplace.job("test-crash", how="kill"), max_attempts=1))
    assert record.error is not None
    assert (record.error["class"], record.error["returncode"]) == ("SlotCrashed", -9)
