"""The conformance suite that every driver passes.

A driver's tests subclass it and say how a fresh store is opened on a clock of the suite::

    class TestMyStore(JobStoreSuite):
        @pytest.fixture
        def open_store(self, tmp_path) -> Callable[[Clock], JobStore]:
            return lambda clock: MyStore(tmp_path / "jobs", clock=clock)

Within one test, every call opens the same data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pitchey_runner.store.interface import JobStore
from pitchey_runner.store.records import JobState
from pitchey_runner.testing.store_checks_dependencies import DependencyChecks
from pitchey_runner.testing.store_checks_lines import LineChecks
from pitchey_runner.testing.store_checks_money import MoneyChecks
from pitchey_runner.testing.store_checks_producing import ProducingChecks
from pitchey_runner.testing.store_checks_reading import ReadingChecks
from pitchey_runner.testing.store_checks_rescue import RescueChecks
from pitchey_runner.testing.store_checks_room import RoomChecks
from pitchey_runner.testing.store_checks_schedules import ScheduleChecks
from pitchey_runner.testing.store_checks_working import WorkingChecks
from pitchey_runner.testing.store_samples import ManualClock, completed, job, worker

__all__ = ["Clock", "JobStoreSuite", "OpenStore"]

Clock = Callable[[], int]
"""Microseconds since 1970 UTC."""

OpenStore = Callable[[Clock], JobStore]


class JobStoreSuite(
    ProducingChecks,
    WorkingChecks,
    RescueChecks,
    RoomChecks,
    ReadingChecks,
    LineChecks,
    DependencyChecks,
    ScheduleChecks,
    MoneyChecks,
):
    """What a job store must do. A subclass provides the fixture ``open_store``."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def store(self, open_store: OpenStore, clock: ManualClock) -> Iterator[JobStore]:
        with open_store(clock) as store:
            yield store

    def test_two_handles_see_one_store(self, open_store: OpenStore, clock: ManualClock) -> None:
        new = job()
        with open_store(clock) as one, open_store(clock) as other:
            quiet = other.change_counter()
            one.enqueue([new])
            assert other.wait_for_change(quiet, 10) != quiet
            (claimed,) = other.claim(worker(), "video", 1)
            assert one.claim(worker(), "video", 1) == []
            assert one.settle([completed(claimed.claim)]) == [True]
            assert other.counts() == {JobState.COMPLETED: 1}

    def test_what_was_enqueued_is_there_the_next_time(
        self, open_store: OpenStore, clock: ManualClock
    ) -> None:
        new = job()
        with open_store(clock) as store:
            store.enqueue([new])
        with open_store(clock) as store:
            record = store.get(new.id)
        assert record is not None
        assert record.payload == new.payload

    def test_closing_twice_is_fine(self, open_store: OpenStore, clock: ManualClock) -> None:
        store = open_store(clock)
        store.enqueue([job()])
        store.close()
        store.close()
