"""Processors that misuse their process: the job ends with an error that says so, and the slot serves on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from workplace import Workplace, exists, wait_until

from pitchey_core.order import JobOrder
from pitchey_core.process import scan_processes
from pitchey_core.slots import LocalExecutor, Outcome, Report, Slot, new_tag


@pytest.fixture
def order(workplace: Workplace) -> Callable[..., JobOrder]:
    host = workplace.host

    def make(job_type: str, /, **payload: Any) -> JobOrder:
        number = next(numbers)
        return host.order(job_type, payload, job_id=f"job-{number}", base_dir=workplace.data_dir)

    numbers = iter(range(10_000))
    return make


async def _with_slot(work: Callable[[Slot], Any]) -> Any:
    slot = await LocalExecutor().open_slot(new_tag("test"))
    try:
        return await work(slot)
    finally:
        await slot.close()


def run_in_one_slot(*orders: JobOrder) -> list[Outcome]:
    async def work(slot: Slot) -> list[Outcome]:
        return [(await slot.run([order]))[0] for order in orders]

    outcomes: list[Outcome] = anyio.run(_with_slot, work)
    return outcomes


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("garbage", "SlotCrashed"),
        ("close-fds", "SlotCrashed"),
        ("nan-facts", "ProcessorError"),
        ("computed-facts", "ProcessorError"),
        ("unread-partial-facts", "ProcessorError"),
        ("no-json-partial-facts", "ProcessorError"),
        ("mute-error", "ProcessorError"),
        ("huge-error", "ProcessorError"),
        ("system-exit", "ProcessorError"),
        ("keyboard-interrupt", "ProcessorError"),
        ("fork-twice", None),
        ("leave-heir", "SlotCrashed"),
        ("block-signals", None),
        ("chdir", None),
        ("progress-threads", None),
    ],
)
def test_mischief_hurts_its_own_job_only(
    order: Callable[..., JobOrder], what: str, error: str | None
) -> None:
    bad, good = run_in_one_slot(order("test-mischief", what=what), order("test-noop", value=7))
    assert (type(bad.error).__name__ if bad.error else None) == error
    if bad.error is not None:
        assert len(bad.error.message) < 5000
    assert good.error is None
    assert good.facts is not None
    assert good.facts["value"] == 7


@pytest.mark.parametrize("by", ["before", "after", "orphan", "thread", "dead"])
def test_of_what_a_job_leaves_only_the_launcher_of_sandboxes_stays(
    order: Callable[..., JobOrder], by: str
) -> None:
    launchers: list[set[int]] = []

    async def work(slot: Slot) -> None:
        for each in ("nobody", by, "nobody"):
            (outcome,) = await slot.run([order("test-leftover", by=each)])
            assert outcome.error is None
            assert outcome.facts is not None
            left = outcome.facts["left"]
            assert left is None or not exists(left)
            launchers.append(set(_children(outcome.facts["pid"])))

    anyio.run(_with_slot, work)
    assert len(launchers[0]) == 1
    assert launchers[0] == launchers[1] == launchers[2]


def _children(pid: int) -> list[int]:
    return [entry.pid for entry in scan_processes().values() if entry.ppid == pid and entry.alive]


def test_a_batch_member_with_wrong_facts_fails_alone(order: Callable[..., JobOrder]) -> None:
    orders = [order("test-batch", value=n, odd=n == 1) for n in range(3)]

    async def work(slot: Slot) -> list[Outcome]:
        return await slot.run(orders)

    outcomes: list[Outcome] = anyio.run(_with_slot, work)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert "not what BatchFacts reads: odd" in str(outcomes[1].error)


def test_a_real_time_signal_is_told(order: Callable[..., JobOrder]) -> None:
    (outcome,) = run_in_one_slot(order("test-crash", how="real-time"))
    assert type(outcome.error).__name__ == "SlotCrashed"
    assert f"was killed by signal {signal.SIGRTMIN + 6}" in str(outcome.error)
    assert outcome.usage.wall_us > 0


def test_a_job_that_kills_its_warden_leaves_nothing_behind(
    workplace: Workplace, order: Callable[..., JobOrder]
) -> None:
    async def work(slot: Slot) -> tuple[Outcome, bool]:
        (outcome,) = await slot.run([order("test-mischief", what="kill-parent", trace=str(workplace.trace))])
        return outcome, slot.alive

    outcome, alive = anyio.run(_with_slot, work)
    assert type(outcome.error).__name__ == "SlotCrashed"
    assert not alive
    wait_until(lambda: not exists(workplace.traces()[0]["pid"]), 3, "the end of the job's process")


def stranger_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"], start_new_session=True)


def test_a_process_with_the_number_of_a_dead_warden_is_left_alone(order: Callable[..., JobOrder]) -> None:
    async def work(slot: Slot) -> bool:
        await slot.run([order("test-noop")])
        warden = slot._process
        warden.kill()
        warden.wait()
        with stranger_process() as stranger:
            # As if the kernel had given the number away again.
            warden.pid = stranger.pid
            await slot.kill()
            left_alone = stranger.poll() is None
            stranger.kill()
        return left_alone

    assert anyio.run(_with_slot, work)


def test_a_cancellation_right_after_the_start_is_not_lost(order: Callable[..., JobOrder]) -> None:
    async def work(slot: Slot) -> Outcome:
        one = order("test-sleep", seconds=30)
        outcomes: list[Outcome] = []

        async def run() -> None:
            outcomes.extend(await slot.run([one]))

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(run)
                await anyio.lowlevel.checkpoint()
                # Long before the process can have a signal handler.
                await slot.cancel(one.key, grace_seconds=9)
        return outcomes[0]

    outcome: Outcome = anyio.run(_with_slot, work)
    assert type(outcome.error).__name__ == "Cancelled"
    assert not outcome.died


def test_a_late_cancellation_does_not_hit_the_next_job(order: Callable[..., JobOrder]) -> None:
    async def work(slot: Slot) -> list[Outcome]:
        first, second = order("test-noop"), order("test-sleep", seconds=0.3)
        outcomes = await slot.run([first])
        await slot.cancel(first.key)
        return [*outcomes, *await slot.run([second])]

    outcomes: list[Outcome] = anyio.run(_with_slot, work)
    assert [outcome.error for outcome in outcomes] == [None, None]


def test_a_daemons_memory_counts_against_the_limit(
    workplace: Workplace, order: Callable[..., JobOrder]
) -> None:
    hungry = order("test-daemon", pid_file=str(workplace.root / "pid"), mib=400, wait=30)
    (outcome,) = run_in_one_slot(replace(hungry, limits=hungry.limits.with_(memory_bytes=200 * 1024**2)))
    assert getattr(outcome.error, "limit", None) == "memory"


def test_a_daemons_cpu_time_is_on_the_bill(workplace: Workplace, order: Callable[..., JobOrder]) -> None:
    first, second = run_in_one_slot(
        order("test-daemon", pid_file=str(workplace.root / "pid"), busy=0.7), order("test-noop")
    )
    assert first.error is None
    assert first.usage.cpu_us >= 700_000
    assert second.usage.cpu_us < 500_000


def test_a_large_payload_and_large_facts_pass(order: Callable[..., JobOrder]) -> None:
    (outcome,) = run_in_one_slot(replace(order("test-noop"), options={"big": "z" * 8_000_000}))
    assert outcome.error is None


def test_facts_beyond_the_limit_are_refused(workplace: Workplace, order: Callable[..., JobOrder]) -> None:
    big = replace(
        order("test-echo", data={"much": ["word"] * 60_000}), output=(workplace.root / "out").as_uri()
    )
    (outcome,) = run_in_one_slot(big)
    assert outcome.error is not None
    assert getattr(outcome.error, "limit", None) == "facts"
    assert not (workplace.root / "out" / "echo.txt").exists()


def test_progress_and_usage_are_reported(order: Callable[..., JobOrder]) -> None:
    reports: list[Report] = []

    async def work(slot: Slot) -> list[Outcome]:
        return await slot.run([order("test-sleep", seconds=1.3)], reports.append)

    anyio.run(_with_slot, work)
    fractions = [report.fraction for report in reports if report.key and report.fraction is not None]
    assert fractions == sorted(fractions)
    assert len(fractions) > 5
    assert any(report.memory_bytes for report in reports if report.key is None)


def test_thousands_of_jobs_and_crashes_leak_no_descriptor(order: Callable[..., JobOrder]) -> None:
    """Past the thousandth job the process is recycled, too."""

    async def work(slot: Slot) -> tuple[int, int]:
        await slot.run([order("test-noop")])
        warden = slot._process.pid
        before = len(os.listdir(f"/proc/{warden}/fd"))
        for _ in range(1100):
            await slot.run([order("test-noop")])
        for _ in range(10):
            await slot.run([order("test-crash")])
        await slot.run([order("test-noop")])
        return before, len(os.listdir(f"/proc/{warden}/fd"))

    before, after = anyio.run(_with_slot, work)
    assert after == before


def test_an_idle_slot_outlives_its_lease_and_stays_warm(order: Callable[..., JobOrder]) -> None:
    async def work(slot: Slot) -> list[Outcome]:
        outcomes = await slot.run([order("test-noop")])
        await slot.extend_lease(0.1)
        await anyio.sleep(0.5)
        return [*outcomes, *await slot.run([order("test-noop")])]

    outcomes: list[Outcome] = anyio.run(_with_slot, work)
    first, second = (outcome.facts for outcome in outcomes)
    assert first is not None
    assert second is not None
    assert first["pid"] == second["pid"]


def test_a_cancelled_caller_takes_the_slot_with_it(
    workplace: Workplace, order: Callable[..., JobOrder]
) -> None:
    async def work(slot: Slot) -> bool:
        async with anyio.create_task_group() as group:
            spinning = order("test-spin", deaf=True, trace=str(workplace.trace))
            group.start_soon(slot.run, [spinning])
            await anyio.to_thread.run_sync(wait_until, workplace.traces)
            group.cancel_scope.cancel()
        return slot.alive

    assert not anyio.run(_with_slot, work)
    assert not exists(workplace.traces()[0]["pid"])
    assert not list(Path(workplace.data_dir).glob("work/*"))
