"""The asynchronous twins, under a real event loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

import pitchey_runner
from pitchey_core.errors import InputError
from pitchey_core.registry import Registry
from pitchey_runner import AsyncJobs, JobState


def run(tmp_path: Path, registry: Registry, body: Any) -> None:
    async def main() -> None:
        async with pitchey_runner.open_async(
            str(tmp_path / "jobs.db"), registry=registry, data_dir=str(tmp_path / "data")
        ) as jobs:
            await body(jobs)

    anyio.run(main)


def test_a_job_from_submit_to_result(tmp_path: Path, registry: Registry) -> None:
    async def body(jobs: AsyncJobs) -> None:
        async with jobs.work():
            job = await jobs.submit("test-noop", value=3)
            assert (await job.wait(30)).status == "completed"
            failing = await jobs.submit("test-fail", error="InputError")
            with pytest.raises(InputError):
                await failing.wait(30)
        assert await job.status() is JobState.COMPLETED
        assert (await job.progress()).fraction == 1.0
        assert (await job.result()) is not None
        assert await jobs.get(job.id) == job
        assert await jobs.list(status="failed") == [failing]
        assert await failing.retry() is JobState.PENDING
        assert await failing.cancel() is JobState.CANCELLED
        assert (await failing.record()).id == failing.id

    run(tmp_path, registry, body)


def test_fifty_may_wait_at_once_and_the_loop_goes_on(tmp_path: Path, registry: Registry) -> None:
    async def body(jobs: AsyncJobs) -> None:
        waited = [await jobs.submit("test-noop", value=number) for number in range(50)]
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await anyio.sleep(0.01)
                ticks += 1

        async with anyio.create_task_group() as background:
            background.start_soon(tick)
            async with anyio.create_task_group() as group:
                for job in waited:
                    group.start_soon(job.wait, 60)
                await anyio.sleep(0.1)
                async with jobs.work():
                    assert len([job async for job in jobs.as_completed(waited, timeout=30)]) == 50
            background.cancel_scope.cancel()
        assert ticks > 10

    run(tmp_path, registry, body)


def test_map_and_as_completed(tmp_path: Path, registry: Registry) -> None:
    async def body(jobs: AsyncJobs) -> None:
        async with jobs.work():
            payloads = [{"text": str(number)} for number in range(6)]
            found = [
                each
                async for each in jobs.map(
                    "test-echo", payloads, output=lambda p: tmp_path / p["text"], max_in_flight=3
                )
            ]
            assert [each.artifacts[0].uri.split("/")[-2] for each in found] == list("012345")
            both = [await jobs.submit("test-noop", value=number) for number in range(2)]
            assert {job async for job in jobs.as_completed(both, timeout=30)} == set(both)

    run(tmp_path, registry, body)


def test_a_wait_that_is_cancelled_leaves_the_job(tmp_path: Path, registry: Registry) -> None:
    async def body(jobs: AsyncJobs) -> None:
        job = await jobs.submit("test-noop")
        with anyio.move_on_after(0.2) as scope:
            await job.wait()
        assert scope.cancelled_caught
        assert await job.status() is JobState.PENDING
        assert await jobs.drain() == {JobState.COMPLETED: 1}

    run(tmp_path, registry, body)
