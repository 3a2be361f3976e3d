"""Short jobs are claimed while those before them still run; nobody else loses by it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import anyio
import pytest
from workplace import Workplace

from pitchey_core.capacity import Capacity
from pitchey_core.host import Host
from pitchey_runner.store.interface import AttemptOutcome, JobState, Priority
from pitchey_runner.supervisor import Event, JobSettled, JobStarted, Supervisor
from pitchey_runner.supervisor.ahead import Ahead

SMALL, LARGE = Capacity(0.5, 1), Capacity(2.0, 4)


def test_a_lane_has_one_group_ahead_of_its_own_kind() -> None:
    ahead = Ahead()
    assert not ahead.wants("code")
    assert not ahead.put("code", SMALL, [])
    ahead.join("code", SMALL)
    assert ahead.wants("code")
    assert not ahead.wants("video")
    assert not ahead.put("code", LARGE, [])
    assert ahead.put("code", SMALL, [])
    assert not ahead.wants("code")
    assert not ahead.put("code", SMALL, [])
    assert ahead.take("code", LARGE) is None
    assert ahead.take("code", SMALL) == []
    assert ahead.take("code", SMALL) is None
    assert ahead.put("code", SMALL, [])
    assert ahead.give_up() == [[]]
    ahead.leave("code", SMALL)
    assert not ahead.wants("code")


def test_a_stop_gives_back_what_was_claimed_ahead(workplace: Workplace) -> None:
    jobs = [workplace.job("test-noop", value=value) for value in range(3000)]
    settled = 0

    def watch(event: Event) -> None:
        nonlocal settled
        settled += isinstance(event, JobSettled)
        if settled == 300:
            supervisor.stop()

    with workplace.store() as store:
        store.enqueue(jobs)
        supervisor = Supervisor(store, workplace.host, watcher=watch)

        async def main() -> None:
            await supervisor.run()

        anyio.run(main)
        counts = store.counts()
        assert set(counts) == {JobState.COMPLETED, JobState.PENDING}
        starts = Counter(trace["job_id"] for trace in workplace.traces())
        assert counts[JobState.COMPLETED] == len(starts) == starts.total()
        for record in store.list(limit=len(jobs)):
            outcomes = {attempt.outcome for attempt in store.attempts(record.id)}
            assert (record.id in starts) == (AttemptOutcome.COMPLETED in outcomes)
            assert outcomes <= {AttemptOutcome.COMPLETED, AttemptOutcome.RELEASED}
            assert record.retry_count == 0


@pytest.mark.parametrize("bound", ["the host", "max_slots"])
def test_short_jobs_do_not_keep_for_themselves_what_others_wait_for(workplace: Workplace, bound: str) -> None:
    """The short ones fill the host, or all slots that there may be, and there are always more of them."""
    room = {"vcpus": 0.5, "cpu_overcommit": 1, "backfill_wait": 0} if bound == "the host" else {}
    host = Host.from_settings(workplace.registry, **workplace.overrides, host=room)
    late = replace(workplace.job("test-sleep", seconds=0.01), priority=Priority.HIGH)
    started: list[str] = []
    short_before: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, JobStarted):
            started.append(event.type)
        if isinstance(event, JobSettled) and len(started) >= 300 and not short_before:
            store.enqueue([late])
            short_before.append(len(started))

    with workplace.store() as store:
        store.enqueue([workplace.job("test-noop") for _ in range(6000)])
        slots = 1 if bound == "max_slots" else None
        types = ["test-noop", "test-sleep"]
        supervisor = Supervisor(store, host, types=types, watcher=watch, max_slots=slots)

        async def main() -> None:
            await supervisor.run(drain=True)

        anyio.run(main)
    assert len(started) == 6001
    # At most: the group behind the one at work, one that was ahead already, and two by looks that had begun before.
    assert started.index("test-sleep") <= short_before[0] + 4 * 500
