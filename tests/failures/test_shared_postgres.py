"""Several supervisors on one Postgres store: killed, or working side by side."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from workplace import Workplace, wait_until

from pitchey_core.registry import Registry
from pitchey_core.storage import to_url
from pitchey_runner.store.checking import check_store
from pitchey_runner.store.interface import JobFilter, JobState


@pytest.fixture
def workplace(tmp_path: Path, registry: Registry, database: str) -> Iterator[Workplace]:
    """The usual one, with its store in Postgres."""
    timing = {"beat": 0.3, "lease": 1.5, "cancel_poll": 0.05, "kill_grace": 0.5}
    place = Workplace(tmp_path, registry, timing, store_url=database)
    yield place
    place.close()


@pytest.mark.slow
def test_three_supervisors_of_which_some_are_killed_lose_and_repeat_nothing(workplace: Workplace) -> None:
    out = workplace.root / "out"
    jobs = [
        replace(workplace.job("test-echo", text=str(number)), output=to_url(out / str(number), Path("/")))
        for number in range(60)
    ]
    with workplace.store() as store:
        store.enqueue(jobs)
        runners = [workplace.started() for _ in range(3)]
        for _ in range(4):
            done = store.counts().get(JobState.COMPLETED, 0)
            wait_until(
                lambda before=done: (now := store.counts().get(JobState.COMPLETED, 0)) > before or now == 60,
                60,
                "some progress",
            )
            victim = runners.pop(0)
            if victim.process.poll() is None:
                victim.kill()
            runners.append(workplace.started())
        assert [runner.wait(90) for runner in runners] == [0, 0, 0]
        assert store.counts() == {JobState.COMPLETED: 60}
        kinds = Counter(event.kind for event in store.events(limit=10_000))
        assert kinds["completed"] == 60
        records = store.list(JobFilter(states=[JobState.COMPLETED]), limit=100)
    assert {record.id for record in records} == {job.id for job in jobs}
    for number in range(60):
        assert (out / str(number) / "echo.txt").read_text().strip() == str(number)
    assert check_store(workplace.url) == []


@pytest.mark.parametrize("point", ["after:claim", "after:commit_manifests", "before:settle", "after:settle"])
def test_a_supervisor_that_dies_between_two_statements_is_replaced(workplace: Workplace, point: str) -> None:
    out = workplace.root / "out"
    job = replace(workplace.job("test-echo", text="x"), output=to_url(out, Path("/")))
    with workplace.store() as store:
        store.enqueue([job])
    crashed = workplace.started(crash=point)
    wait_until(lambda: crashed.process.poll() is not None, 30, "the crash")
    assert crashed.process.returncode == -signal.SIGKILL, crashed.log.read_text()
    assert workplace.started().wait(60) == 0
    with workplace.store() as store:
        record = store.get(job.id)
    assert record is not None
    assert record.status is JobState.COMPLETED
    assert (out / "echo.txt").read_text() == "x\n"
    assert check_store(workplace.url) == []


def test_an_idle_supervisor_is_woken_by_a_job_of_another_process(workplace: Workplace) -> None:
    with workplace.store() as store:
        runner = workplace.started(drain=False)
        wait_until(store.workers, 30, "its registration")
        for _ in range(3):
            time.sleep(0.1)
            (job_id,) = store.enqueue([workplace.job("test-noop")])
            wait_until(
                lambda each=job_id: (record := store.get(each or "")) and record.status.finished,
                20,
                "its end",
            )
        runner.signal(signal.SIGTERM)
        assert runner.wait(30) == 0
        assert store.workers() == []
