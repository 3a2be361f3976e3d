"""Whose jobs are taken over, and whose are not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from workplace import Workplace, wait_until

from pitchey_core.pricing import PriceBook
from pitchey_core.process import process_start_ticks, read_process
from pitchey_core.resources import MIB
from pitchey_core.slots import open_occupancy
from pitchey_runner.store.interface import AttemptOutcome, Beat, Directive, JobState, WorkerInfo
from pitchey_runner.store.migrations import upgrade
from pitchey_runner.store.sqlite.store import SqliteStore
from pitchey_runner.supervisor import Event, JobSettled, Supervisor
from pitchey_runner.supervisor.identity import is_dead_here, this_worker
from pitchey_runner.supervisor.lookout import Lookout
from pitchey_runner.supervisor.rescue import rescue
from pitchey_runner.testing.store_samples import ManualClock, one_claimed, worker


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that nobody reaps before the test ends."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[SqliteStore]:
    upgrade(str(tmp_path / "jobs.db"))
    with SqliteStore(tmp_path / "jobs.db", prices=PriceBook(), clock=clock) as store:
        yield store


def running_as(process: subprocess.Popen[bytes]) -> WorkerInfo:
    return replace(
        this_worker(["test-noop"], lease_seconds=30),
        pid=process.pid,
        pid_started=process_start_ticks(process.pid) or 0,
    )


def test_a_zombie_is_dead(sleeper: subprocess.Popen[bytes]) -> None:
    info = running_as(sleeper)
    assert not is_dead_here(info)
    sleeper.kill()
    wait_until(lambda: (entry := read_process(sleeper.pid)) and not entry.alive, what="its end")
    assert is_dead_here(info)


def test_only_what_ran_here_is_known_to_be_dead(sleeper: subprocess.Popen[bytes]) -> None:
    info = running_as(sleeper)
    assert is_dead_here(replace(info, pid_started=info.pid_started + 1))
    for elsewhere in ({"host": "another"}, {"boot_id": "another"}, {"pid_namespace": 1}):
        assert not is_dead_here(replace(info, pid_started=info.pid_started + 1, **elsewhere))


def test_workers_that_are_silent_for_long_and_hold_nothing_are_forgotten(
    workplace: Workplace, store: SqliteStore, clock: ManualClock
) -> None:
    me = worker("me", lease_seconds=30)
    for info in (me, worker("of-another-boot"), worker("slow", lease_seconds=300)):
        store.register_worker(info)
    clock.advance(299)
    rescue(store, me, workplace.host)
    assert {each.info.id for each in store.workers()} == {"me", "of-another-boot", "slow"}
    clock.advance(2)
    rescue(store, me, workplace.host)
    assert {each.info.id for each in store.workers()} == {"me", "slow"}


def test_a_jump_of_the_clock_takes_no_job_from_the_worker_that_runs_it(
    workplace: Workplace, store: SqliteStore, clock: ManualClock
) -> None:
    """Of a worker's own jobs only those count as lost that it does not know of."""
    job, unknown = workplace.job("test-sleep", seconds=600), workplace.job("no-such-thing")
    supervisor = Supervisor(store, workplace.host)

    def jump() -> None:
        wait_until(workplace.traces, what="the start of the job")
        store.claim(supervisor._me, "no-such-thing", 1)
        clock.advance(60)

        def rescued() -> bool:
            anyio.from_thread.run(supervisor._rescue)
            record = store.get(unknown.id)
            return record is not None and record.lost_count == 1

        wait_until(rescued, what="the rescue of what only the store believes that it holds")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(supervisor.run)
            await anyio.to_thread.run_sync(jump)
            supervisor.stop()
            supervisor.stop()

    store.enqueue([job, unknown])
    anyio.run(main)
    records = [store.get(job.id), store.get(unknown.id)]
    assert [record.lost_count for record in records if record] == [0, 1]
    assert records[0] is not None
    assert records[0].status is JobState.PENDING


def test_two_workers_clear_up_after_the_same_dead_ones(
    workplace: Workplace, sleeper: subprocess.Popen[bytes]
) -> None:
    """Each takes from the other what it was about to read, and neither minds."""
    dead = [running_as(sleeper) for _ in range(20)]
    jobs = [workplace.job("test-noop") for _ in range(2 * len(dead))]
    with workplace.store() as store:
        store.enqueue(jobs)
        for each in dead:
            open_occupancy(workplace.data_dir, each.id)
            ran, _ = store.claim(each, "test-noop", 2)
            notes = workplace.data_dir / "slots" / each.id
            for number in range(50):
                (notes / f"slot-{number}").write_text(f"{ran.claim.job_id}.{ran.claim.claim_seq}")
            # To whoever reads it, a note that has just been removed looks like this.
            (notes / "removed").symlink_to("nowhere")
        sleeper.kill()
        sleeper.wait()
        rescuers = [this_worker(["test-noop"], lease_seconds=30) for _ in range(2)]
        with ThreadPoolExecutor() as threads:
            done = threads.map(lambda me: rescue(store, me, workplace.host), rescuers)
            rescued = [each.job_id for by_one in done for each in by_one]
        records = [record for each in jobs if (record := store.get(each.id))]
    assert len(set(rescued)) == len(rescued) == len(dead)
    assert sorted(each.lost_count for each in records) == [0] * len(dead) + [1] * len(dead)
    assert list((workplace.data_dir / "slots").iterdir()) == []


def test_the_end_of_a_job_that_rescue_ends_is_told(workplace: Workplace) -> None:
    job = workplace.job("test-noop")
    told: list[Event] = []
    with workplace.store() as store:
        store.enqueue([job])
        store.claim(worker("dead", lease_seconds=0), "test-noop", 1)
        store.cancel([job.id])
        supervisor = Supervisor(store, workplace.host, watcher=told.append)
        anyio.run(supervisor._rescue)
    (event,) = told
    assert isinstance(event, JobSettled)
    assert (event.job_id, event.type, event.state) == (job.id, "test-noop", JobState.CANCELLED)
    assert event.error is not None
    assert event.result is not None
    assert event.result["status"] == "cancelled"


def test_a_lost_attempt_is_priced_by_what_it_had_reserved(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host has less than the instance type, and reduces it; whoever rescues the job need not."""
    job = workplace.job("test-sleep", seconds=60.0)
    with workplace.store() as store:
        store.enqueue([job])
        with monkeypatch.context() as small:
            small.setenv("PITCHEY_HOST__MEMORY_BYTES", str(300 * MIB))
            runner = workplace.started()

        def beaten() -> bool:
            attempts = store.attempts(job.id)
            return bool(attempts and attempts[0].usage and attempts[0].usage.wall_us)

        wait_until(beaten, what="a heartbeat that says what was used")
        runner.kill()
        anyio.run(Supervisor(store, workplace.host)._rescue)
        lost = store.attempts(job.id)[0]
    assert (lost.outcome, lost.reserved_memory_bytes) == (AttemptOutcome.LOST, 300 * MIB)
    assert lost.usage is not None
    assert lost.cost_nanos == workplace.host.prices.cost(lost.usage, reserved_memory_bytes=300 * MIB) > 0


class Hours:
    """Two clocks: the store's, which somebody sets, and the rescuer's own, which nobody does."""

    def __init__(self, clock: ManualClock) -> None:
        self.store_clock = clock
        self.own = 1000.0

    def pass_by(self, seconds: float) -> None:
        self.store_clock.advance(seconds)
        self.own += seconds


def test_a_clock_that_is_set_forward_costs_no_live_worker_its_jobs(
    workplace: Workplace, store: SqliteStore, clock: ManualClock
) -> None:
    hours, me = Hours(clock), worker("me", lease_seconds=30)
    lookout = Lookout(lambda: hours.own)
    held, left = (
        one_claimed(store, worker("alive", lease_seconds=30)),
        one_claimed(store, worker("dying", lease_seconds=30)),
    )
    assert rescue(store, me, workplace.host, lookout) == []
    hours.pass_by(1)
    clock.advance(3600)
    assert rescue(store, me, workplace.host, lookout) == []
    assert {each.info.id for each in store.workers()} >= {"alive", "dying"}
    # A third of a lease later all that live have beaten, and those that have not are lost.
    hours.pass_by(9)
    assert store.beat("alive", [Beat(held.claim)]) == [Directive.CONTINUE]
    assert rescue(store, me, workplace.host, lookout) == []
    hours.pass_by(3)
    assert [each.job_id for each in rescue(store, me, workplace.host, lookout)] == [left.claim.job_id]
    assert store.beat("alive", [Beat(held.claim)]) == [Directive.CONTINUE]


def test_a_clock_that_is_set_back_keeps_no_dead_workers_job(
    workplace: Workplace, store: SqliteStore, clock: ManualClock
) -> None:
    hours, me = Hours(clock), worker("me", lease_seconds=30)
    lookout = Lookout(lambda: hours.own)
    held, left = (
        one_claimed(store, worker("alive", lease_seconds=30)),
        one_claimed(store, worker("dead", lease_seconds=30)),
    )
    assert rescue(store, me, workplace.host, lookout) == []
    clock.advance(-3600)
    for _ in range(31):
        hours.pass_by(1)
        assert store.beat("alive", [Beat(held.claim)]) == [Directive.CONTINUE]
        assert rescue(store, me, workplace.host, lookout) == []
    hours.pass_by(1)
    assert [each.job_id for each in rescue(store, me, workplace.host, lookout)] == [left.claim.job_id]
    assert store.beat("alive", [Beat(held.claim)]) == [Directive.CONTINUE]


def test_a_rescuer_that_was_away_itself_has_not_seen_anybody_be_silent(
    workplace: Workplace, store: SqliteStore, clock: ManualClock
) -> None:
    hours, me = Hours(clock), worker("me", lease_seconds=30)
    lookout = Lookout(lambda: hours.own)
    one_claimed(store, worker("alive", lease_seconds=30))
    assert rescue(store, me, workplace.host, lookout) == []
    clock.advance(-3600)
    hours.pass_by(300)
    assert rescue(store, me, workplace.host, lookout) == []


def test_a_worker_that_ends_has_closed_all_that_it_had_opened(workplace: Workplace) -> None:
    def opened() -> list[str]:
        found = Path("/proc/self/fd").iterdir()
        return sorted(re.sub(r"\d+", "N", os.readlink(each)) for each in found if os.path.lexists(each))

    workplace.drain(workplace.job("test-noop"))
    before = opened()
    with workplace.store() as store:
        # It is watched, and so are those that come and go meanwhile.
        neighbour = workplace.started(drain=False)
        wait_until(lambda: len(store.workers()) == 1, what="the neighbour")
        for _ in range(3):
            workplace.drain(workplace.job("test-sleep", seconds=0.3), workplace.job("test-noop"))
        neighbour.signal(signal.SIGTERM)
        assert neighbour.wait() == 0
    assert opened() == before
