"""Conformance of a job store: schedules."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pitchey_core.errors import UsageError
from pitchey_runner.store.interface import (
    Budget,
    BudgetAction,
    BudgetPeriod,
    BudgetScope,
    Dependency,
    JobStore,
    Missed,
    NewSchedule,
    Priority,
    RateLimit,
    Unique,
)
from pitchey_runner.testing.store_samples import ManualClock, completed, job, worker

__all__ = ["ScheduleChecks"]


class ScheduleChecks:
    """One job for each fire time."""

    def test_a_schedule_fires_when_its_time_has_come(self, store: JobStore, clock: ManualClock) -> None:
        template = job(priority=Priority.LOW, concurrency_key="k", rate=RateLimit(5, 1.5))
        store.set_schedule(NewSchedule("nightly", "30 2 * * *", template))
        (record,) = store.schedules()
        assert record.next_fire_at > store.now()
        assert (record.next_fire_at.hour, record.next_fire_at.minute) == (2, 30)
        assert store.fire_schedules() == []
        until(clock, store, record.next_fire_at)
        (job_id,) = store.fire_schedules()
        assert store.fire_schedules() == []
        fired = store.get(job_id)
        assert fired is not None
        assert (fired.schedule, fired.type, fired.priority) == ("nightly", "video", Priority.LOW)
        assert (fired.payload, fired.concurrency_key) == (template.payload, "k")
        (after,) = store.schedules()
        assert (after.last_fire_at, after.last_job_id) == (record.next_fire_at, job_id)
        assert after.next_fire_at == record.next_fire_at + timedelta(days=1)

    def test_a_schedule_keeps_to_its_time_zone(self, store: JobStore, clock: ManualClock) -> None:
        until(clock, store, datetime(2027, 3, 27, 12, tzinfo=UTC))
        store.set_schedule(NewSchedule("berlin", "0 9 * * *", job(), timezone="Europe/Berlin"))
        hours = []
        for _ in range(2):
            (record,) = store.schedules()
            hours.append(record.next_fire_at.hour)
            assert record.next_fire_at.astimezone(ZoneInfo("Europe/Berlin")).hour == 9
            until(clock, store, record.next_fire_at)
            store.fire_schedules()
        assert hours == [7, 7], "the clock was changed in the night to the 28th"

    def test_a_schedule_that_is_set_in_an_hour_that_comes_twice_fires_no_time_that_has_passed(
        self, store: JobStore, clock: ManualClock
    ) -> None:
        # Ten past two, for the second time; a quarter past two has come once.
        until(clock, store, datetime(2026, 10, 25, 1, 10, tzinfo=UTC))
        store.set_schedule(
            NewSchedule("s", "15 2 * * *", job(), timezone="Europe/Berlin", missed=Missed.ONCE)
        )
        (record,) = store.schedules()
        assert record.next_fire_at == datetime(2026, 10, 26, 1, 15, tzinfo=UTC)
        assert store.fire_schedules() == []

    @pytest.mark.parametrize("missed", Missed)
    def test_what_was_missed_is_skipped_or_run_once(
        self, store: JobStore, clock: ManualClock, missed: Missed
    ) -> None:
        store.set_schedule(NewSchedule("hourly", "@hourly", job(), missed=missed))
        (record,) = store.schedules()
        until(clock, store, record.next_fire_at + timedelta(hours=5, minutes=10))
        fired = store.fire_schedules()
        assert len(fired) == (missed is Missed.ONCE)
        (after,) = store.schedules()
        assert after.next_fire_at == record.next_fire_at + timedelta(hours=6)
        if fired:
            assert after.last_fire_at == record.next_fire_at + timedelta(hours=5)
        until(clock, store, after.next_fire_at + timedelta(seconds=20))
        assert len(store.fire_schedules()) == 1

    def test_a_fire_time_is_enqueued_once_by_many(self, store: JobStore, clock: ManualClock) -> None:
        for number in range(5):
            store.set_schedule(NewSchedule(f"s{number}", "* * * * *", job()))
        for _ in range(5):
            clock.advance(60)
            with ThreadPoolExecutor(4) as pool:
                fired = [
                    each for some in pool.map(lambda _: store.fire_schedules(), range(8)) for each in some
                ]
            assert len(fired) == len(set(fired)) == 5
        assert store.ready() == {"video": 25}

    def test_a_schedule_that_rests_does_not_fire(self, store: JobStore, clock: ManualClock) -> None:
        store.set_schedule(NewSchedule("s", "* * * * *", job(), missed=Missed.ONCE))
        assert store.enable_schedule("s", enabled=False)
        clock.advance(600)
        assert store.fire_schedules() == []
        store.enable_schedule("s", enabled=True)
        assert store.fire_schedules() == []
        clock.advance(60)
        assert len(store.fire_schedules()) == 1
        assert not store.enable_schedule("nobody", enabled=True)
        assert store.remove_schedule("s")
        assert not store.remove_schedule("s")
        assert store.schedules() == []

    def test_a_schedule_set_or_resumed_as_it_is_passes_over_no_time(
        self, store: JobStore, clock: ManualClock
    ) -> None:
        schedule = NewSchedule("s", "0 3 * * *", job(), missed=Missed.ONCE)
        store.set_schedule(schedule)
        (before,) = store.schedules()
        until(clock, store, before.next_fire_at + timedelta(hours=1))
        store.set_schedule(replace(schedule, template=job(priority=Priority.LOW)))
        assert store.enable_schedule("s", enabled=True)
        (job_id,) = store.fire_schedules()
        fired = store.get(job_id)
        assert fired is not None
        assert fired.priority is Priority.LOW
        store.set_schedule(replace(schedule, cron="0 4 * * *"))
        (after,) = store.schedules()
        assert (after.next_fire_at.hour, after.last_job_id) == (4, job_id)

    def test_no_time_is_passed_over_by_who_comes_a_minute_late_to_the_moment(
        self, store: JobStore, clock: ManualClock
    ) -> None:
        store.set_schedule(NewSchedule("s", "* * * * *", job()))
        (record,) = store.schedules()
        until(clock, store, record.next_fire_at + timedelta(minutes=1))
        assert len(store.fire_schedules()) == 1
        assert store.schedules()[0].last_fire_at == record.next_fire_at + timedelta(minutes=1)

    def test_a_schedule_set_anew_fires_no_time_twice(self, store: JobStore, clock: ManualClock) -> None:
        schedule = NewSchedule("s", "* * * * *", job())
        store.set_schedule(schedule)
        clock.advance(60)
        (first,) = store.fire_schedules()
        store.remove_schedule("s")
        clock.advance(-30)
        store.set_schedule(schedule)
        clock.advance(30)
        assert store.fire_schedules() == []
        (record,) = store.schedules()
        assert record.last_job_id is None
        assert store.get(first) is not None

    def test_a_scheduled_job_may_be_unique(self, store: JobStore, clock: ManualClock) -> None:
        store.set_schedule(NewSchedule("s", "* * * * *", job(unique=Unique("sweep"))))
        clock.advance(60)
        (first,) = store.fire_schedules()
        clock.advance(60)
        assert store.fire_schedules() == []
        assert store.schedules()[0].last_job_id == first
        (claimed,) = store.claim(worker(), "video", 1)
        store.settle([completed(claimed.claim)])
        clock.advance(60)
        assert len(store.fire_schedules()) == 1

    def test_a_budget_that_refuses_does_not_stop_the_others(
        self, store: JobStore, clock: ManualClock
    ) -> None:
        store.enqueue([job()], claimed_by=worker())
        store.settle([completed(each.claim, cost_nanos=5) for each in store.claimed("w1")])
        store.set_budget(Budget(BudgetScope.TYPE, "video", BudgetPeriod.TOTAL, 5, BudgetAction.REJECT))
        store.set_schedule(NewSchedule("a", "* * * * *", job()))
        store.set_schedule(NewSchedule("b", "* * * * *", job("code")))
        clock.advance(60)
        assert len(store.fire_schedules()) == 1
        assert store.ready() == {"code": 1}

    def test_nonsense_is_refused(self, store: JobStore) -> None:
        for cron, zone in (
            ("every day", "UTC"),
            ("61 * * * *", "UTC"),
            ("* * * * * *", "UTC"),
            ("* * * * *", "Mars/Olympus"),
        ):
            with pytest.raises(UsageError, match=r"cron|time zone"):
                store.set_schedule(NewSchedule("s", cron, job(), timezone=zone))
        with pytest.raises(ValueError, match="depends"):
            store.set_schedule(NewSchedule("s", "* * * * *", job(depends_on=(Dependency("x"),))))
        assert store.schedules() == []


def until(clock: ManualClock, store: JobStore, moment: datetime) -> None:
    clock.advance((moment - store.now()).total_seconds())
