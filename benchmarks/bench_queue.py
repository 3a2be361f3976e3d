"""How many jobs that do nothing go through the whole runner, durably, and how soon does one start?

Ours: claim, slot process, fenced settlement with attempt, event and ledger rows, on SQLite with ``synchronous=FULL``;
a killed worker's jobs are run again. The peer is Huey on SQLite, the fastest queue that we know of, with two processes:
it deletes a job at the claim, so those in flight are lost when its consumer is killed. Both drain a full queue; what
counts starts once a tenth of it is done, so start-up does not. ``PITCHEY_BENCH_JOBS`` sets its length (20,000), and
``PITCHEY_BENCH_BACKLOG`` that of the longer line to claim from (100,000).
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import anyio
from harness import Bench, at_least, at_most, expect, in_turn, run_benchmark
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
COUNTED = 1000  # as far as a supervisor with two slots for short jobs looks
_PEERS = Path(__file__).with_name("peers")
_numbers = count()


def measure(bench: Bench) -> None:
    with workbench() as work:
        expect(
            JOB_TYPE in work.host.registry.processors,
            f"there is no processor {JOB_TYPE}: pip install -e tests/support/pitchey_test_plugins",
        )
        bench.fact("jobs", str(JOBS))
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
        wake = bench.compare(
            "from enqueue to a slot, median", against="to its end", unit="ms", by="ours", goal=at_most(2.0)
        )
        claim = bench.compare(
            f"look and claim {CLAIM}, {BACKLOGS[1]} pending",
            against=f"{BACKLOGS[0]} pending",
            unit="ms",
            by="ratio",
            goal=at_most(1.2),
        )
        if find_spec("huey") is None:
            bench.note("Huey is not installed (pip install huey): nothing is compared with it.")
        for number in bench.rounds():
            for durability, line in lines.items():
                if find_spec("huey") is None:
                    line.add(*[_drain(work)] * 2)
                else:
                    line.add(*in_turn(number, partial(_drain, work), partial(_drain_huey, work, durability)))
            ours = _enqueue(work)
            singly.add(ours, _enqueue_huey(work) if find_spec("huey") else ours)
            wake.add(*_wake_up(work))
            small, large = in_turn(number, *[partial(_claim, work, length) for length in BACKLOGS])
            claim.add(large, small)


@contextmanager
def _store(work: Workbench) -> Iterator[JobStore]:
    with open_store(f"sqlite:///{work.root}/store-{next(_numbers)}.db") as store:
        yield store


def _fill(store: JobStore, jobs: int) -> None:
    for first in range(0, jobs, 5000):
        store.enqueue([_job(value) for value in range(first, min(jobs, first + 5000))])


def _job(value: int) -> NewJob:
    return NewJob(JOB_TYPE, {"value": value}, instance_type="lite")


def _drain(work: Workbench) -> float:
    """Jobs per second from the first tenth on."""
    ends: list[float] = []

    def watch(event: Event) -> None:
        if isinstance(event, JobSettled):
            ends.append(time.perf_counter())

    with _store(work) as store:
        _fill(store, JOBS)
        supervisor = Supervisor(store, work.host, types=[JOB_TYPE], watcher=watch)
        anyio.run(partial(supervisor.run, drain=True))
        expect(store.counts() == {JobState.COMPLETED: JOBS}, f"after the drain: {store.counts()}")
    tenth = JOBS // 10
    return (JOBS - tenth) / (ends[-1] - ends[tenth - 1])


def _enqueue(work: Workbench) -> float:
    with _store(work) as store:
        store.enqueue([_job(0)])
        started = time.perf_counter()
        for value in range(ONE_BY_ONE):
            store.enqueue([_job(value)])
        return ONE_BY_ONE / (time.perf_counter() - started)


def _wake_up(work: Workbench) -> tuple[float, float]:
    """Median milliseconds from an enqueue by another connection to the slot, and to the end."""
    enqueued: dict[str, float] = {}
    started: list[float] = []
    ended: list[float] = []

    def watch(event: Event) -> None:
        now = time.perf_counter()
        if event.job_id in enqueued and isinstance(event, JobStarted):
            started.append(now - enqueued[event.job_id])
        if event.job_id in enqueued and isinstance(event, JobSettled):
            ended.append(now - enqueued[event.job_id])

    async def produce(supervisor: Supervisor, elsewhere: JobStore) -> None:
        for number in range(WAKE_UPS + 5):
            job = _job(number)
            # The first ones start slots.
            if number >= 5:
                enqueued[job.id] = time.perf_counter()
            await anyio.to_thread.run_sync(elsewhere.enqueue, [job])
            await anyio.sleep(0.5 if number < 5 else 0.03)
        supervisor.stop()

    async def main() -> None:
        url = f"sqlite:///{work.root}/store-{next(_numbers)}.db"
        with open_store(url) as store, open_store(url) as elsewhere:
            supervisor = Supervisor(store, work.host, types=[JOB_TYPE], watcher=watch)
            async with anyio.create_task_group() as group:
                group.start_soon(supervisor.run)
                await produce(supervisor, elsewhere)

    anyio.run(main)
    expect(len(ended) >= WAKE_UPS - 1, f"only {len(ended)} of {WAKE_UPS} jobs ended")
    return statistics.median(started) * 1000, statistics.median(ended) * 1000


def _claim(work: Workbench, backlog: int) -> float:
    """Milliseconds, median, of a supervisor's look at the line and the claim that follows."""
    took = []
    with _store(work) as store:
        _fill(store, backlog)
        worker = this_worker([JOB_TYPE], lease_seconds=30.0)
        store.register_worker(worker)
        for _ in range(30):
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
