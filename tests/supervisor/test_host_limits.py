"""What the supervisor does with the limits of its host: mixed instance types, refusals, memory, pauses, warm slots."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from workplace import Workplace, wait_until

from pitchey_core.capacity import Capacity
from pitchey_core.host import Host
from pitchey_core.process import processes_with_tag, read_process
from pitchey_core.process.cgroup_places import places
from pitchey_core.resources import GIB, MIB
from pitchey_runner.store import open_store
from pitchey_runner.store.interface import (
    AttemptOutcome,
    JobRecord,
    JobState,
    NewJob,
    Priority,
)
from pitchey_runner.supervisor import Event, JobSettled, JobStarted, Supervisor
from pitchey_runner.supervisor.pool import Pool

GROUPS = any("memory" in place.controllers for place in places())


def host_with(workplace: Workplace, **settings: Any) -> Host:
    return Host.from_settings(workplace.registry, **workplace.overrides, **settings)


def drain(
    workplace: Workplace, host: Host, jobs: Sequence[NewJob], **options: Any
) -> tuple[list[JobRecord], list[Event]]:
    events: list[Event] = []
    with workplace.store() as store:
        store.enqueue(jobs)
        supervisor = Supervisor(store, host, watcher=events.append, backoff_base=0.05, **options)

        async def main() -> None:
            await supervisor.run(drain=True)

        anyio.run(main)
        return [record for job in jobs if (record := store.get(job.id)) is not None], events


async def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while True:
        if condition():
            return
        assert time.monotonic() < end
        await anyio.sleep(0.02)


def most_memory_at_once(host: Host, jobs: Sequence[NewJob], events: Sequence[Event]) -> int:
    """By what the jobs reserve while they run."""
    size = {job.id: host.instance(job.instance_type).memory_bytes for job in jobs}
    now = most = 0
    for event in events:
        if isinstance(event, JobStarted):
            now += size[event.job_id]
        elif isinstance(event, JobSettled):
            now -= size[event.job_id]
        most = max(most, now)
    return most


def test_of_those_that_come_together_the_large_one_starts_first_and_small_ones_beside_it(
    workplace: Workplace,
) -> None:
    host = host_with(
        workplace,
        instance_types={"large": {"vcpus": 1, "memory_bytes": 5 * GIB}},
        processors={"test-sleep": {"instance_type": "large"}},
        # For one small job beside it, and what a slot holds that waits for the next.
        host={"vcpus": 2, "memory_bytes": 13 * GIB // 2},
    )
    small = [workplace.job("test-noop", value=number) for number in range(3)]
    large = replace(workplace.job("test-sleep", seconds=1.5), instance_type="large")
    records, events = drain(workplace, host, [*small, large])
    assert {record.status for record in records} == {JobState.COMPLETED}
    # By when they were claimed: whose slot opens sooner is up to the host.
    assert min(records, key=lambda record: str(record.started_at)).id == large.id
    assert [event.job_id for event in events if isinstance(event, JobSettled)][-1] == large.id


def test_small_jobs_on_all_lanes_do_not_keep_out_a_large_one_for_ever(workplace: Workplace) -> None:
    host = host_with(
        workplace,
        instance_types={"large": {"vcpus": 1, "memory_bytes": 6 * GIB}},
        processors={"test-noop": {"instance_type": "large"}},
        host={"vcpus": 4, "memory_bytes": 6 * GIB, "backfill_wait": 0.3},
    )
    seconds = [0.15 + 0.1 * (number % 2) for number in range(30)]
    small = [workplace.job("test-sleep", seconds=each) for each in seconds]
    large = replace(
        workplace.job("test-noop", value=1), instance_type="large", delay_seconds=0.5, priority=Priority.HIGH
    )
    records, events = drain(workplace, host, [*small, large], max_slots=2)
    assert {record.status for record in records} == {JobState.COMPLETED}
    started = [event.job_id for event in events if isinstance(event, JobStarted)]
    assert started.index(large.id) < 25, "it was the last one"


def test_jobs_of_one_type_with_instance_types_of_their_own_never_share_more_memory_than_there_is(
    workplace: Workplace,
) -> None:
    host = host_with(workplace, host={"vcpus": 16, "memory_bytes": 5 * GIB})
    kinds = ["lite", "standard-1", "lite", "lite", "standard-2", "lite", "standard-1", "lite"]
    jobs = [replace(workplace.job("test-sleep", seconds=0.3), instance_type=kind) for kind in kinds]
    records, events = drain(workplace, host, jobs)
    assert {record.status for record in records} == {JobState.COMPLETED}
    assert 3 * GIB <= most_memory_at_once(host, jobs, events) <= 5 * GIB


def test_a_job_with_more_memory_than_the_host_is_refused_and_says_why(workplace: Workplace) -> None:
    host = host_with(workplace, host={"memory_bytes": GIB})
    large = replace(workplace.job("test-noop"), instance_type="standard-4")
    (refused, done), _ = drain(workplace, host, [large, workplace.job("test-noop")])
    assert (refused.status, done.status) == (JobState.FAILED, JobState.COMPLETED)
    assert refused.error is not None
    assert refused.error["message"] == (
        "instance type 'standard-4' wants 8.00 GiB of memory and 0 accelerators; this host has 1.00 GiB and 0"
    )
    assert "smaller instance type" in refused.error["remedy"]
    assert refused.retry_count == 0
    assert len(workplace.traces()) == 1


def test_a_processors_own_default_is_reduced_to_what_a_small_host_has(workplace: Workplace) -> None:
    host = host_with(workplace, host={"memory_bytes": 300 * MIB})
    # "lite", 1 GiB, is what the test processors have of their own.
    jobs = [workplace.job("test-noop"), workplace.job("test-hog", mib=400, seconds=0.5)]
    records, _ = drain(workplace, host, jobs)
    assert records[0].status is JobState.COMPLETED
    assert records[1].error is not None
    assert records[1].error["limit"] == "memory"
    assert host.limits(host.spec("test-noop")).memory_bytes == 300 * MIB


def test_what_a_configuration_asks_for_is_not_reduced(workplace: Workplace) -> None:
    host = host_with(
        workplace, host={"memory_bytes": 300 * MIB}, processors={"test-noop": {"instance_type": "lite"}}
    )
    (refused,), _ = drain(workplace, host, [workplace.job("test-noop")])
    assert refused.status is JobState.FAILED
    assert "wants 1.00 GiB" in (refused.error or {})["message"]


def test_a_job_with_more_vcpus_than_the_host_runs_alone(workplace: Workplace) -> None:
    host = host_with(
        workplace, host={"vcpus": 1, "cpu_overcommit": 1, "memory_bytes": 16 * GIB, "backfill_wait": 0}
    )
    large = replace(workplace.job("test-sleep", seconds=0.3), instance_type="standard-4")
    jobs = [workplace.job("test-async", seconds=0.1), workplace.job("test-async", seconds=0.1), large]
    records, events = drain(workplace, host, jobs)
    assert {record.status for record in records} == {JobState.COMPLETED}
    running: set[str] = set()
    for event in events:
        if isinstance(event, JobStarted):
            running.add(event.job_id)
            assert large.id not in running or running == {large.id}
        elif isinstance(event, JobSettled):
            running.discard(event.job_id)


def test_small_jobs_pass_a_large_one_that_waits_and_it_still_gets_its_turn(workplace: Workplace) -> None:
    host = host_with(
        workplace, host={"vcpus": 2, "cpu_overcommit": 1, "memory_bytes": 16 * GIB, "backfill_wait": 1.0}
    )
    first = workplace.job("test-sleep", seconds=0.5)
    large = replace(workplace.job("test-child", seconds=0.1), instance_type="standard-2")
    small = [workplace.job("test-async", seconds=0.15) for _ in range(120)]
    records, _ = drain(workplace, host, [first, large, *small])
    assert {record.status for record in records} == {JobState.COMPLETED}
    order = [trace["job_id"] for trace in workplace.traces()]
    # The first look does not know what it wants; the later ones do.
    assert order.index(large.id) < len(order) - 10


@pytest.mark.parametrize(
    "cgroups", [pytest.param(True, marks=pytest.mark.skipif(not GROUPS, reason="no cgroups")), False]
)
def test_a_job_that_ran_out_of_memory_gets_half_as_much_again_once(
    workplace: Workplace, cgroups: bool
) -> None:
    host = host_with(
        workplace, host={"cgroups": cgroups}, instance_types={"small": {"memory_bytes": 200 * MIB}}
    )
    fits_later = replace(workplace.job("test-hog", mib=230, seconds=2.0), instance_type="small")
    never_fits = replace(workplace.job("test-hog", mib=1200, seconds=0.3), instance_type="small")
    (later, never), _ = drain(workplace, host, [fits_later, never_fits])
    assert later.status is JobState.COMPLETED
    assert never.status is JobState.FAILED
    assert never.error is not None
    assert never.error["limit"] == "memory"
    with workplace.store() as store:
        attempts = [store.attempts(job.id) for job in (fits_later, never_fits)]
    assert [[each.outcome for each in job] for job in attempts] == [
        [AttemptOutcome.FAILED, AttemptOutcome.COMPLETED],
        [AttemptOutcome.FAILED, AttemptOutcome.FAILED],
    ]
    killed, done = (each.usage for each in attempts[0])
    assert killed is not None
    assert done is not None
    assert killed.memory_method == ("cgroup" if cgroups else "sampled-pss")
    assert killed.peak_memory_bytes > 190 * MIB
    assert 220 * MIB < done.peak_memory_bytes < 300 * MIB


def test_more_memory_is_never_more_than_the_host_has(workplace: Workplace) -> None:
    host = host_with(
        workplace, host={"memory_bytes": 220 * MIB}, instance_types={"small": {"memory_bytes": 200 * MIB}}
    )
    spec = replace(host.spec("test-hog"), resources="small")
    assert host.limits(spec, memory_factor=1.5).memory_bytes == 220 * MIB


def test_a_paused_job_stands_still_keeps_its_lease_and_goes_on(workplace: Workplace) -> None:
    workplace.timing = {"beat": 0.2, "lease": 2.0, "cancel_poll": 0.05, "kill_grace": 0.5}
    host = host_with(workplace, host={"vcpus": 0.5, "cpu_overcommit": 1})
    job = replace(workplace.job("test-spin"), wall_limit=3.0)
    seen: dict[str, Any] = {}

    async def pause_and_resume(supervisor: Supervisor) -> None:
        await until(workplace.traces)
        pid = workplace.traces()[0]["pid"]
        with open_store(workplace.url) as elsewhere:
            elsewhere.pause([job.id])
        await until(
            lambda: any(each.reservation and each.reservation.frozen for each in supervisor._held.values())
        )
        await anyio.sleep(0.3)
        before = read_process(pid)
        # Longer than its lease and its wall limit; another one runs on the vCPUs that it has given back.
        with open_store(workplace.url) as store:
            store.enqueue([other])
            await anyio.sleep(4.0)
            record = store.get(other.id)
        after = read_process(pid)
        assert before is not None
        assert after is not None
        seen.update(used=after.cpu_us - before.cpu_us, other=record and record.status)
        with open_store(workplace.url) as elsewhere:
            elsewhere.resume([job.id])

    other = workplace.job("test-noop")
    with workplace.store() as store:
        store.enqueue([job])
        supervisor = Supervisor(store, host)

        async def main() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(pause_and_resume, supervisor)
                await supervisor.run(drain=True)

        anyio.run(main)
        (attempt,) = store.attempts(job.id)
    assert seen == {"used": 0, "other": JobState.COMPLETED}
    # It went on to its limit, which did not come nearer while it stood still.
    assert attempt.error is not None
    assert attempt.error["limit"] == "wall"


def test_a_worker_starts_with_the_slots_that_its_queues_keep(workplace: Workplace) -> None:
    host = host_with(
        workplace,
        host={"vcpus": 4},
        slots={"prewarm": True},
        queues={"test-noop": {"min_slots": 2}, "test-echo": {"min_slots": 0}},
    )
    with workplace.store() as store:
        supervisor = Supervisor(store, host, types=["test-noop", "test-echo"])

        async def main() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(supervisor.run)
                await until(lambda: supervisor._pool.idle.get("test-noop", 0) >= 2)
                assert supervisor._pool.idle == {"test-noop": 2}
                supervisor.stop()

        anyio.run(main)
    assert processes_with_tag(supervisor._me.id) == []


def test_the_limits_of_our_own_container_are_the_hosts(tmp_path: Path) -> None:
    code = """
        import os
        from pitchey_core.process.cgroup_places import owned_name
        from pitchey_core.process.cgroups import Cgroup
        group = Cgroup.make(owned_name("test"))
        group.limit(memory_bytes=300 << 20)
        if os.fork() == 0:
            group.enter()
            from pitchey_core.capacity import available_memory, host_memory
            taken = b"x" * (100 << 20)
            print(host_memory() >> 20, available_memory() >> 20, flush=True)
            os._exit(0)
        os.wait()
        group.remove()
    """
    if not GROUPS:
        pytest.skip("no cgroup hierarchy is writable here")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    total, available = map(int, done.stdout.split())
    assert total == 300
    assert 150 < available < 200


def test_cpus_are_those_that_we_may_run_on() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
    code += "from pitchey_core.capacity import host_vcpus; print(host_vcpus())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) <= 1.0


def test_a_killed_slots_job_is_in_line_again_and_a_killed_supervisors_jobs_are_done_by_another(
    workplace: Workplace,
) -> None:
    jobs = [workplace.job("test-sleep", seconds=2.0) for _ in range(2)]
    with workplace.store() as store:
        store.enqueue(jobs)
        first = workplace.started(drain=False)
        wait_until(lambda: len(workplace.traces()) == 2, what="the start of the jobs")
        os.kill(workplace.traces()[0]["pid"], 9)
        victim = workplace.traces()[0]["job_id"]
        wait_until(
            lambda: store.attempts(victim)[0].outcome is AttemptOutcome.FAILED, 5, "the end of its attempt"
        )
        second = workplace.started()
        wait_until(lambda: len(store.workers()) == 2, what="the second supervisor")
        time.sleep(1.2)
        first.kill()
        wait_until(lambda: len(store.workers()) == 1, 5, "the rescue")
        assert second.wait() == 0
        assert store.counts() == {JobState.COMPLETED: 2}


def test_a_slot_may_be_put_to_work_while_others_are_closed_for_room(workplace: Workplace) -> None:
    host = host_with(workplace, host={"memory_bytes": "1GiB"})
    pool = Pool(host, host.executor(), f"pool-{os.getpid()}")

    async def main() -> None:
        for slot in [await pool.obtain("test-noop") for _ in range(3)]:
            await pool.give_back(slot)
        await pool.reap()
        pool.reserve("test-echo", Capacity(0.5, 0))
        everything = Capacity(0.5, host.capacity.memory_bytes)
        assert not pool.fits(everything, "test-echo")
        async with anyio.create_task_group() as group:
            group.start_soon(pool.make_room, "test-echo", everything)
            await anyio.lowlevel.checkpoint()
            slot = await pool.obtain("test-noop")
        assert slot.alive
        assert pool.busy == [slot]
        assert pool.idle == {}
        await pool.close()

    anyio.run(main)
