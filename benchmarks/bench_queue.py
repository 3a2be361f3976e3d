"""How many jobs that do nothing go through the whole runner, durably, and how soon does one start?

Ours: claim, slot process, fenced settlement with attempt, event and ledger rows, on SQLite with ``synchronous=FULL``
and on Postgres with ``fsync``; a killed worker's jobs are run again. The peer is Huey on SQLite, the fastest queue that
we know of, with two processes: it deletes a job at the claim, so those in flight are lost when its consumer is killed.
Both drain a full queue; what counts starts once a tenth of it is done, so start-up does not. ``PITCHEY_BENCH_JOBS``
sets its length (20,000), and ``PITCHEY_BENCH_BACKLOG`` that of the longer line to claim from (100,000). The memory of
the supervisor's process is that at the end of a drain; for a long one set the first to 200,000.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import anyio
from harness import Bench, at_least, at_most, expect, in_turn, run_benchmark
from stores import SQLITE, NewStore, new_stores
from workbench import Workbench, workbench

from pitchey_runner.store import open_store
from pitchey_runner.store.interface import JobState, JobStore, NewJob
from pitchey_runner.supervisor import Event, JobSettled, JobStarted, Supervisor
from pitchey_runner.supervisor.identity import this_worker

JOB_TYPE = "test-noop"
JOBS = int(os.environ.get("PITCHEY_BENCH_JOBS", "20000"))
ONE_BY_ONE = 500
WAKE_UPS = 60
BACKLOGS = (1_000, int(os.environ.get("PITCHEY_BENCH_BACKLOG", "100000")))
CLAIM = 20
CLAIMS = 30
BULK = 5_000
BULKS = 4
COUNTED = 1000  # as far as a supervisor with two slots for short jobs looks
_PEERS = Path(__file__).with_name("peers")
_numbers = count()


def measure(bench: Bench) -> None:
    with workbench() as work, new_stores(work, bench) as stores:
        expect(
            JOB_TYPE in work.host.registry.processors,
            f"there is no processor {JOB_TYPE}: pip install -e tests/support/pitchey_test_plugins",
        )
        bench.fact("jobs", str(JOBS))
        huey = find_spec("huey") is not None
        if not huey:
            bench.note("Huey is not installed (pip install huey): nothing is compared with it.")
        lines = {
            durability: bench.compare(
                f"drain, against {durability}",
                against=f"Huey, synchronous={durability}",
                unit="jobs/s",
                by="ratio",
                goal=at_least(1.0),
            )
            for durability in ("FULL", "NORMAL")
        }
        singly = bench.compare("enqueue one by one", against="Huey, FULL", unit="jobs/s", by="ratio")
        on = {name: _Lines(bench, name) for name in stores}
        for number in bench.rounds():
            for name, new in stores.items():
                on[name].measure(work, new, number)
            new = stores[SQLITE]
            for durability, line in lines.items():
                if not huey:
                    line.add(*[_speed(work, new)] * 2)
                    continue
                line.add(*in_turn(number, partial(_speed, work, new), partial(_drain_huey, work, durability)))
            speed = _enqueue_singly(new)
            singly.add(speed, _enqueue_huey(work) if huey else speed)


class _Lines:
    """What is measured on each database."""

    def __init__(self, bench: Bench, name: str) -> None:
        figures = bench.compare
        at_once, soon = (12_000, 2.0) if name == SQLITE else (6_000, 4.0)
        self.drain = figures(
            f"drain, {name}", against="its first half", unit="jobs/s", by="ours", goal=at_least(at_once)
        )
        self.bulk = figures(
            f"enqueue {BULK} at once, {name}",
            against="one by one",
            unit="jobs/s",
            by="ours",
            goal=at_least(50_000),
        )
        self.wake = figures(
            f"from commit to a slot, median, {name}",
            against="from the call of enqueue",
            unit="ms",
            by="ours",
            goal=at_most(soon),
        )
        self.claim = figures(
            f"look and claim {CLAIM}, {BACKLOGS[1]} pending, {name}",
            against=f"{BACKLOGS[0]} pending",
            unit="ms",
            by="ratio",
            goal=at_most(1.2),
        )
        self.memory = figures(
            f"memory after a drain, {name}", against="after its first tenth", unit="MB", by="ratio"
        )

    def measure(self, work: Workbench, new: NewStore, number: int) -> None:
        drained = _drain(work, new)
        self.drain.add(drained.speed, drained.speed_of_half)
        self.memory.add(drained.memory_mb, drained.memory_mb_before)
        self.bulk.add(_enqueue_bulk(new), _enqueue_singly(new))
        self.wake.add(*_wake_up(work, new))
        small, large = in_turn(number, *[partial(_claim, new, length) for length in BACKLOGS])
        self.claim.add(large, small)


def _fill(store: JobStore, jobs: int) -> None:
    for first in range(0, jobs, 5000):
        store.enqueue([_job(value) for value in range(first, min(jobs, first + 5000))])


def _job(value: int) -> NewJob:
    return NewJob(JOB_TYPE, {"value": value}, instance_type="lite")


@dataclass(frozen=True, slots=True)
class _Drained:
    """Jobs per second from the first tenth on, to the half and to the end; and the supervisor's memory at that tenth
    and at the end."""

    speed: float
    speed_of_half: float
    memory_mb: float
    memory_mb_before: float


def _drain(work: Workbench, new: NewStore) -> _Drained:
    # Nothing is kept of each job, as the memory of this process is measured as well.
    tenth, half = max(1, JOBS // 10), JOBS // 2
    marks: dict[int, tuple[float, float]] = {}
    settled = 0

    def watch(event: Event) -> None:
        nonlocal settled
        if isinstance(event, JobSettled):
            settled += 1
            if settled in {tenth, half, JOBS}:
                marks[settled] = time.perf_counter(), _memory_mb()

    with open_store(new()) as store:
        _fill(store, JOBS)
        supervisor = Supervisor(store, work.host, types=[JOB_TYPE], watcher=watch)
        anyio.run(partial(supervisor.run, drain=True))
        expect(store.counts() == {JobState.COMPLETED: JOBS}, f"after the drain: {store.counts()}")
    speed, of_half = [(end - tenth) / (marks[end][0] - marks[tenth][0]) for end in (JOBS, half)]
    return _Drained(speed, of_half, marks[JOBS][1], marks[tenth][1])


def _speed(work: Workbench, new: NewStore) -> float:
    return _drain(work, new).speed


def _memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _enqueue_singly(new: NewStore) -> float:
    with open_store(new()) as store:
        store.enqueue([_job(0)])
        started = time.perf_counter()
        for value in range(ONE_BY_ONE):
            store.enqueue([_job(value)])
        return ONE_BY_ONE / (time.perf_counter() - started)


def _enqueue_bulk(new: NewStore) -> float:
    """With what it takes to make the jobs; the connection is there already."""
    with open_store(new()) as store:
        store.enqueue([_job(0)])
        started = time.perf_counter()
        for _ in range(BULKS):
            store.enqueue([_job(value) for value in range(BULK)])
        took = time.perf_counter() - started
        expect(store.counts() == {JobState.PENDING: BULKS * BULK + 1}, "jobs were lost on their way in")
        return BULKS * BULK / took


def _wake_up(work: Workbench, new: NewStore) -> tuple[float, float]:
    """Median milliseconds to the slot, from when a job of another connection is committed, and from its enqueue."""
    started: dict[str, float] = {}
    since_call: list[float] = []
    since_commit: list[float] = []

    def watch(event: Event) -> None:
        if isinstance(event, JobStarted):
            started[event.job_id] = time.perf_counter()

    def enqueue(store: JobStore, job: NewJob) -> tuple[float, float]:
        called = time.perf_counter()
        store.enqueue([job])
        return called, time.perf_counter()

    async def produce(supervisor: Supervisor, elsewhere: JobStore) -> None:
        for number in range(WAKE_UPS + 5):
            job = _job(number)
            called, committed = await anyio.to_thread.run_sync(enqueue, elsewhere, job)
            # The first ones start slots.
            await anyio.sleep(0.5 if number < 5 else 0.03)
            if number >= 5 and job.id in started:
                since_call.append(started[job.id] - called)
                since_commit.append(started[job.id] - committed)
        supervisor.stop()

    async def main() -> None:
        url = new()
        with open_store(url) as store, open_store(url) as elsewhere:
            supervisor = Supervisor(store, work.host, types=[JOB_TYPE], watcher=watch)
            async with anyio.create_task_group() as group:
                group.start_soon(supervisor.run)
                await produce(supervisor, elsewhere)

    anyio.run(main)
    expect(len(since_call) >= WAKE_UPS - 1, f"only {len(since_call)} of {WAKE_UPS} jobs started soon")
    return statistics.median(since_commit) * 1000, statistics.median(since_call) * 1000


def _claim(new: NewStore, backlog: int) -> float:
    """Milliseconds, median, of a supervisor's look at the line and the claim that follows, which leaves ``backlog``."""
    took = []
    with open_store(new()) as store:
        _fill(store, backlog + CLAIMS * CLAIM)
        worker = this_worker([JOB_TYPE], lease_seconds=30.0)
        store.register_worker(worker)
        for _ in range(CLAIMS):
            started = time.perf_counter()
            store.promote_due()
            store.ready(most=COUNTED)
            claimed = store.claim(worker, JOB_TYPE, CLAIM)
            took.append(time.perf_counter() - started)
            expect(len(claimed) == CLAIM, "a claim found too little")
    return statistics.median(took) * 1000


# -- the peer ----------------------------------------------------------------------------------------------------


def _huey_environment(work: Workbench, durability: str) -> dict[str, str]:
    file = work.root / f"huey-{next(_numbers)}.db"
    python_path = os.pathsep.join([str(_PEERS), *sys.path])
    return {**os.environ, "HUEY_FILE": str(file), "HUEY_SYNCHRONOUS": durability, "PYTHONPATH": python_path}


def _huey(environment: dict[str, str], code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def _enqueue_huey(work: Workbench) -> float:
    code = f"""
import time, huey_app
huey_app.noop(0)
started = time.perf_counter()
for value in range({ONE_BY_ONE}): huey_app.noop(value)
print({ONE_BY_ONE} / (time.perf_counter() - started))
"""
    return float(_huey(_huey_environment(work, "FULL"), code))


def _drain_huey(work: Workbench, durability: str) -> float:
    environment = _huey_environment(work, durability)
    _huey(
        {**environment, "HUEY_SYNCHRONOUS": "OFF"},
        f"import huey_app\nfor v in range({JOBS}): huey_app.noop(v)",
    )
    consumer = subprocess.Popen(
        [sys.executable, "-m", "huey.bin.huey_consumer", "huey_app.huey", "-w", "2", "-k", "process", "-q"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with closing(sqlite3.connect(environment["HUEY_FILE"])) as connection:
            at_tenth = left_then = 0.0
            while left := connection.execute("SELECT count(*) FROM task").fetchone()[0]:
                expect(consumer.poll() is None, "Huey's consumer has ended")
                if not at_tenth and left <= JOBS * 0.9:
                    at_tenth, left_then = time.perf_counter(), left
                time.sleep(0.02)
            return float(left_then / (time.perf_counter() - at_tenth))
    finally:
        consumer.terminate()
        consumer.wait()


if __name__ == "__main__":
    run_benchmark("the queue as a whole", measure)
