"""Several jobs handed to a slot at once, to run one after another: each stays a job of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from workplace import Workplace, exists, wait_until

from pitchey_core.errors import Cancelled, LimitExceeded, SlotCrashed
from pitchey_core.order import JobOrder, pack_orders, unpack_orders
from pitchey_core.slots import LocalExecutor, Outcome, Slot, new_tag

MakeOrder = Callable[..., JobOrder]


@pytest.fixture
def order(workplace: Workplace) -> MakeOrder:
    numbers = itertools.count()

    def make(job_type: str, /, **payload: Any) -> JobOrder:
        payload.setdefault("trace", str(workplace.trace))
        return workplace.host.order(
            job_type, payload, job_id=f"job-{next(numbers)}", base_dir=workplace.data_dir
        )

    return make


def in_a_row(
    *orders: JobOrder,
    meanwhile: Callable[[Slot], Any] | None = None,
    ended: Callable[[list[Outcome]], None] | None = None,
) -> list[Outcome]:
    async def main() -> list[Outcome]:
        slot = await LocalExecutor().open_slot(new_tag("test"))
        try:
            async with anyio.create_task_group() as group:
                if meanwhile is not None:
                    group.start_soon(meanwhile, slot)
                return await slot.run(orders, together=False, ended=ended)
        finally:
            await slot.close()

    return anyio.run(main)


def ran(workplace: Workplace) -> list[str]:
    return [trace["job_id"] for trace in workplace.traces()] if workplace.trace.exists() else []


def test_each_gives_its_own_answer_in_turn(workplace: Workplace, order: MakeOrder) -> None:
    told: list[str] = []
    orders = [order("test-noop", value=number) for number in range(50)]
    outcomes = in_a_row(*orders, ended=lambda fresh: told.extend(each.order.key for each in fresh))
    assert [(each.facts or {})["value"] for each in outcomes] == list(range(50))
    assert told == [each.key for each in orders]
    assert ran(workplace) == [each.job_id for each in orders]
    assert len({trace["pid"] for trace in workplace.traces()}) == 1


def test_what_each_prints_is_in_its_own_log(order: MakeOrder) -> None:
    loud = [order("test-flood", mib=number) for number in (1, 2)]
    first, silent, second = in_a_row(loud[0], order("test-noop"), loud[1])
    assert silent.log_path is None
    for number, outcome in ((1, first), (2, second)):
        assert outcome.log_path is not None
        log = Path(outcome.log_path).read_bytes()
        assert log.count(b"x" * 1023 + b"\n") == 2 * number * 1024
        assert log.endswith(b"the end\n")
        assert b"\0" not in log


def test_one_that_crashes_takes_none_with_it(workplace: Workplace, order: MakeOrder) -> None:
    orders = [order("test-noop"), order("test-crash"), order("test-noop"), order("test-noop")]
    before, crashed, *behind = in_a_row(*orders)
    assert before.error is None
    assert isinstance(crashed.error, SlotCrashed)
    assert crashed.died
    assert crashed.begun
    assert [each.begun for each in behind] == [False, False]
    assert orders[2].job_id not in ran(workplace)


def test_one_that_takes_too_long_ends_by_its_own_limit(order: MakeOrder) -> None:
    slow = order("test-sleep", seconds=60.0)
    slow = replace(slow, limits=replace(slow.limits, wall_seconds=0.5))
    # Together they take longer than any of them may.
    quick = [order("test-sleep", seconds=0.2) for _ in range(4)]
    quick = [replace(each, limits=replace(each.limits, wall_seconds=0.5)) for each in quick]
    *served, killed, unrun = in_a_row(*quick, slow, order("test-noop"))
    assert [each.error for each in served] == [None] * 4
    assert isinstance(killed.error, LimitExceeded)
    assert killed.error.limit == "wall"
    assert not unrun.begun


def test_one_is_cancelled_before_its_turn_and_one_during_it(workplace: Workplace, order: MakeOrder) -> None:
    orders = [order("test-sleep", seconds=60.0), order("test-noop"), order("test-noop")]

    async def cancel(slot: Slot) -> None:
        await anyio.to_thread.run_sync(wait_until, workplace.trace.exists)
        await slot.cancel(orders[1].key)
        await slot.cancel(orders[0].key)

    during, before, last = in_a_row(*orders, meanwhile=cancel)
    assert isinstance(during.error, Cancelled)
    assert isinstance(before.error, Cancelled)
    assert last.error is None
    assert ran(workplace) == [orders[0].job_id, orders[2].job_id]


def test_a_deaf_one_is_killed_once_its_turn_and_its_grace_have_come(
    workplace: Workplace, order: MakeOrder
) -> None:
    orders = [order("test-spin", deaf=True), order("test-noop")]

    async def cancel(slot: Slot) -> None:
        await anyio.to_thread.run_sync(wait_until, workplace.trace.exists)
        await slot.cancel(orders[0].key, grace_seconds=0.2)

    deaf, unrun = in_a_row(*orders, meanwhile=cancel)
    assert isinstance(deaf.error, Cancelled)
    assert not unrun.begun


def test_what_one_leaves_behind_is_gone_before_its_answer_is_told(
    tmp_path: Path, workplace: Workplace, order: MakeOrder
) -> None:
    pid_files = [tmp_path / "one", tmp_path / "two"]
    survivors: list[int] = []

    def look(fresh: list[Outcome]) -> None:
        for outcome in fresh:
            pid_file = outcome.order.payload.get("pid_file")
            if pid_file is not None and exists(int(Path(pid_file).read_text())):
                survivors.append(int(Path(pid_file).read_text()))

    orders = [
        order("test-daemon", pid_file=str(pid_files[0])),
        order("test-noop"),
        order("test-daemon", pid_file=str(pid_files[1])),
        order("test-noop"),
    ]
    outcomes = in_a_row(*orders, ended=look)
    assert [each.error for each in outcomes] == [None] * 4
    assert survivors == []
    assert len({trace["pid"] for trace in workplace.traces()}) == 1


def test_memory_is_counted_for_each_by_itself(order: MakeOrder) -> None:
    small, large, after = in_a_row(order("test-noop"), order("test-hog", mib=160), order("test-noop"))
    assert large.usage.peak_memory_bytes > 160 * 1024**2
    assert small.usage.peak_memory_bytes < large.usage.peak_memory_bytes - 100 * 1024**2
    assert after.usage.peak_memory_bytes < large.usage.peak_memory_bytes - 100 * 1024**2


def test_packed_orders_are_what_they_were(order: MakeOrder) -> None:
    orders = [
        order("test-noop", value=1),
        order("test-noop", value=2),
        order("test-sleep"),
        order("test-noop"),
    ]
    orders[1] = replace(orders[1], limits=replace(orders[1].limits, wall_seconds=1.5), output="file:///out")
    packed = pack_orders(orders)
    assert unpack_orders(packed) == orders
    assert len(packed) == 4
    assert len(pack_orders([order("test-noop", value=number) for number in range(100)])) == 1
