"""Accelerators: each is one job's at a time, and the job, with all that it starts, sees no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from workplace import Workplace, wait_until

from pitchey_core.capacity import gpu_devices
from pitchey_core.host import Host
from pitchey_core.process import descendants
from pitchey_core.resources import MIB
from pitchey_core.settings import HostSettings
from pitchey_runner.store.interface import JobState, NewJob
from pitchey_runner.supervisor import Event, JobSettled, JobStarted, Supervisor

TYPES = {
    "plain": {"vcpus": 0.1, "memory_bytes": 100 * MIB},
    "one": {"vcpus": 0.1, "memory_bytes": 100 * MIB, "gpus": 1},
    "two": {"vcpus": 0.1, "memory_bytes": 100 * MIB, "gpus": 2},
}


def host_of(place: Workplace, **tables: Any) -> Host:
    tables = {"host": {"gpus": 2, "vcpus": 4}, "instance_types": TYPES, **tables}
    return Host.from_settings(place.registry, **{**place.overrides, **tables})


def drain(place: Workplace, host: Host, jobs: list[NewJob]) -> list[Event]:
    events: list[Event] = []
    with place.store() as store:
        store.enqueue(jobs)
        supervisor = Supervisor(store, host, watcher=events.append)

        async def main() -> None:
            await supervisor.run(drain=True)

        anyio.run(main)
        assert store.counts() == {JobState.COMPLETED: len(jobs)}
    return events


def job(place: Workplace, instance_type: str, job_type: str = "test-sleep", seconds: float = 0.2) -> NewJob:
    return replace(place.job(job_type, seconds=seconds), instance_type=instance_type)


def test_each_job_has_its_own_and_slots_stay_bound(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    kinds = ["one", "two", "plain", "one", "one", "plain", "two", "one"]
    jobs = [job(workplace, kind) for kind in kinds] + [job(workplace, "one", "test-async")]
    events = drain(workplace, host_of(workplace), jobs)
    wanted = {each.id: each.instance_type for each in jobs}
    seen = {trace["job_id"]: trace["devices"] for trace in workplace.traces()}
    assert {seen[each] for each, kind in wanted.items() if kind == "plain"} == {None}, "what its host sees"
    assert {seen[each] for each, kind in wanted.items() if kind == "two"} == {"0,1"}
    assert {seen[each] for each, kind in wanted.items() if kind == "one"} == {"0", "1"}
    running: dict[str, set[str]] = {}
    for event in events:
        if isinstance(event, JobStarted):
            mine = set((seen[event.job_id] or "").split(",")) - {""}
            assert mine.isdisjoint(device for each in running.values() for device in each)
            running[event.job_id] = mine
        elif isinstance(event, JobSettled):
            del running[event.job_id]
    bound: dict[int, set[str | None]] = {}
    for trace in workplace.traces():
        bound.setdefault(trace["pid"], set()).add(trace["devices"])
    assert {len(each) for each in bound.values()} == {1}, "a process cannot change its accelerators"


def test_they_are_called_what_they_are_called_here_and_programs_see_no_others(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, GPU-b,GPU-c")
    new = job(workplace, "one", "test-child", seconds=3.0)
    found: list[str] = []

    async def look() -> None:
        def program() -> str | None:
            for trace in workplace.traces():
                for pid in descendants(trace["pid"]):
                    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                    if b"\0sleep\0" in b"\0" + Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"/", b"\0"):
                        return ",".join(e.decode() for e in environment if e.startswith(b"CUDA_VISIBLE"))
            return None

        found.append(await anyio.to_thread.run_sync(wait_until, program))

    with workplace.store() as store:
        store.enqueue([new])
        supervisor = Supervisor(store, host_of(workplace))

        async def main() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(look)
                await supervisor.run(drain=True)

        anyio.run(main)
    assert found == ["CUDA_VISIBLE_DEVICES=GPU-a"]
    assert [trace["devices"] for trace in workplace.traces()] == ["GPU-a"]


def test_an_attempt_pays_for_the_time_that_it_had_them(workplace: Workplace) -> None:
    host = host_of(workplace, prices={"gpu_second": "0.001"})
    new = job(workplace, "two", seconds=0.5)
    drain(workplace, host, [new])
    with workplace.store() as store:
        (attempt,) = store.attempts(new.id)
    assert attempt.usage is not None
    assert attempt.usage.gpu_us == 2 * attempt.usage.wall_us > 1_000_000
    assert attempt.cost_nanos > 1_000_000


@pytest.mark.parametrize(
    ("visible", "count", "devices"),
    [
        (None, 3, ("0", "1", "2")),
        ("2,0", None, ()),
        ("2,0", 2, ("2", "0")),
        ("2,0", 1, ("2",)),
        ("1,-1,0", 3, ("1",)),
        ("", 2, ()),
        ("GPU-8932f937", 4, ("GPU-8932f937",)),
    ],
)
def test_which_ones_jobs_may_use(
    visible: str | None, count: int | None, devices: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    if count is None and list(Path("/dev").glob("nvidia[0-9]*")):
        pytest.skip("this host has accelerators")
    assert gpu_devices(HostSettings(gpus=count)) == devices
