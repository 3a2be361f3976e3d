"""What a supervisor tells, and what trouble with telling must not do to the work."""

from __future__ import annotations

from typing import Any

import pytest
from supervised import drain
from workplace import Workplace

from pitchey_runner.store.interface import JobState
from pitchey_runner.supervisor import Event, JobProgress


def test_odd_progress_hurts_nobody(workplace: Workplace) -> None:
    odd = workplace.job("test-mischief", what="odd-progress")
    # Longer than a heartbeat, which stores what was reported.
    records, events = workplace.drain(odd, workplace.job("test-sleep", seconds=1.5))
    assert [record.status for record in records] == [JobState.COMPLETED] * 2
    told = [event for event in events if isinstance(event, JobProgress) and event.job_id == odd.id]
    assert (told[0].fraction, told[0].message, told[0].figures) == (0.5, "42", {"fps": 25.0})


def test_a_heartbeat_that_fails_takes_no_job_down(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with workplace.store() as store:
        beats: list[object] = []

        def beat(*args: Any, **_: Any) -> Any:
            beats.append(args)
            raise AttributeError("a defect")

        monkeypatch.setattr(store, "beat", beat)
        store.enqueue([workplace.job("test-sleep", seconds=1.5)])
        (record,) = drain(workplace, store)
    assert (record.status, record.lost_count) == (JobState.COMPLETED, 0)
    assert beats


def test_a_watcher_that_fails_takes_no_job_down(workplace: Workplace) -> None:
    def watch(event: Event) -> None:
        raise ZeroDivisionError(type(event).__name__)

    with workplace.store() as store:
        store.enqueue([workplace.job("test-noop", value=n) for n in range(3)])
        records = drain(workplace, store, watch)
    assert [record.status for record in records] == [JobState.COMPLETED] * 3


def test_a_watcher_that_nobody_reads_is_not_asked_again(workplace: Workplace) -> None:
    asked: list[Event] = []

    def watch(event: Event) -> None:
        asked.append(event)
        raise BrokenPipeError

    with workplace.store() as store:
        store.enqueue([workplace.job("test-noop", value=n) for n in range(3)])
        records = drain(workplace, store, watch)
    assert [record.status for record in records] == [JobState.COMPLETED] * 3
    assert len(asked) == 1
