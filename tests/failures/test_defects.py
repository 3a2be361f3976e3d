"""Defects of the worker itself: they are logged with their place, and cost as little as they can."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import anyio
import pytest
from troubled_store import TroubledStore
from workplace import Workplace, wait_until

from pitchey_core.capacity import Capacity
from pitchey_core.slots import Slot
from pitchey_runner.store.interface import AttemptOutcome, ClaimedJob, JobState, JobStore
from pitchey_runner.supervisor import Supervisor
from pitchey_runner.supervisor.orders import Orders
from pitchey_runner.supervisor.pool import Pool


def broken_for(job_id: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def broken(self: Any, job: ClaimedJob, *args: Any, **kwargs: Any) -> Any:
        if job.claim.job_id == job_id:
            raise KeyError("a defect of the test")
        return method(self, job, *args, **kwargs)

    return broken


def test_a_defect_in_making_an_order_costs_its_job_its_attempts_and_no_other_anything(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    short = [workplace.job("test-noop") for _ in range(200)]
    short.insert(120, bad := replace(workplace.job("test-noop"), max_attempts=2))
    long = workplace.job("test-sleep", seconds=1.5)
    for name in ("order", "prepare"):
        monkeypatch.setattr(Orders, name, broken_for(bad.id, getattr(Orders, name)))
    records, _ = workplace.drain(long, *short)
    ended = {record.id: record for record in records}
    assert {key: each.status for key, each in ended.items() if each.status is not JobState.COMPLETED} == {
        bad.id: JobState.FAILED
    }
    error = ended[bad.id].error
    assert error is not None
    assert error["message"] == ("the worker failed while it had this job: KeyError: 'a defect of the test'")
    assert "log of the worker" in error["remedy"]
    with workplace.store() as store:
        assert [len(store.attempts(job.id)) for job in (bad, long, *short[:120], *short[121:])] == [
            2,
            *[1] * 201,
        ]
    shown = [record for record in caplog.records if record.exc_info and record.levelno == logging.ERROR]
    assert len(shown) == 2


def test_a_defect_on_the_way_into_a_slot_is_its_lanes_alone(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = Pool.obtain
    times = iter(range(1000))

    async def obtain(self: Pool, job_type: str, *args: Any) -> Slot:
        if job_type == "test-noop" and next(times) in {0, 5}:
            raise RuntimeError("a defect of the test")
        return await right(self, job_type, *args)

    monkeypatch.setattr(Pool, "obtain", obtain)
    jobs = [workplace.job("test-sleep", seconds=1.5), *(workplace.job("test-noop") for _ in range(100))]
    records, _ = workplace.drain(*jobs)
    assert {record.status for record in records} == {JobState.COMPLETED}
    assert "a defect of the test" in caplog.text
    with workplace.store() as store:
        assert [attempt.outcome for attempt in store.attempts(jobs[0].id)] == [AttemptOutcome.COMPLETED]


def test_a_defect_in_claiming_lets_what_runs_finish_and_gives_back_the_rest(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running, claimed, waiting = (
        workplace.job("test-sleep", seconds=2.0),
        *(workplace.job("test-noop") for _ in range(2)),
    )
    right = Pool.demand

    def demand(self: Pool, job: ClaimedJob) -> Capacity:
        if job.claim.job_id == claimed.id:
            wait_until(workplace.traces, what="the start of the job before")
            raise RuntimeError("a defect of the test")
        return right(self, job)

    monkeypatch.setattr(Pool, "demand", demand)
    with workplace.store() as store:
        store.enqueue([running])
        supervisor = Supervisor(store, workplace.host)

        async def more() -> None:
            while not workplace.traces():  # noqa: ASYNC110 - another process writes them
                await anyio.sleep(0.05)
            store.enqueue([claimed, waiting])

        async def main() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(more)
                await supervisor.run()

        with pytest.raises(ExceptionGroup) as ended:
            anyio.run(main)
        assert ended.group_contains(RuntimeError, match="a defect of the test")
        assert {
            each: record.status
            for each in (running.id, claimed.id, waiting.id)
            if (record := store.get(each))
        } == {
            running.id: JobState.COMPLETED,
            claimed.id: JobState.PENDING,
            waiting.id: JobState.PENDING,
        }
        assert [attempt.outcome for attempt in store.attempts(claimed.id)] == [AttemptOutcome.RELEASED]
        assert store.workers() == []
    assert "no more jobs can be claimed" in caplog.text
    monkeypatch.undo()
    workplace.drain()
    with workplace.store() as store:
        assert store.counts() == {JobState.COMPLETED: 3}


@pytest.mark.parametrize("method", ["cancellations", "wait_for_change", "workers", "fire_schedules", "beat"])
def test_a_defect_in_the_background_is_logged_and_ends_no_work(
    workplace: Workplace, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    with workplace.store() as store:
        store.enqueue([job := workplace.job("test-sleep", seconds=2.5)])
        broken = TroubledStore(store, method, 2, lambda: TypeError("a defect of the test"))
        supervisor = Supervisor(cast("JobStore", broken), workplace.host)

        async def main() -> None:
            await supervisor.run(drain=True)

        anyio.run(main)
        record = store.get(job.id)
        assert record is not None
        assert record.status is JobState.COMPLETED
        assert len(store.attempts(job.id)) == 1
    assert broken.left == 0
    assert "a defect of the test" in caplog.text
