"""How many jobs a second go through the store, and what does a job cost that does nothing?

The store's peer is bare sqlite3 on the same disk with the same pragmas: one small table, and no more statements than it
takes to insert, claim and acknowledge. Ours also writes attempts, events and the ledger, and fences every claim.
The slot's peer is the order of the same job sent to another process over a pipe of multiprocessing, and back.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio
from harness import Bench, at_most, expect, in_turn, run_benchmark
from workbench import WarmSlot, Workbench, workbench

from pitchey_core.order import pack_orders
from pitchey_runner.store import open_store
from pitchey_runner.store.interface import (
    AttemptOutcome,
    JobState,
    JobStore,
    NewJob,
    Settlement,
    WorkerInfo,
)
from pitchey_runner.store.sqlite.connection import connect_writer
from pitchey_runner.store.sqlite.location import file_system
from pitchey_runner.supervisor import Supervisor
from pitchey_runner.supervisor.identity import this_worker

JOB_TYPE = "test-noop"
ONE_BY_ONE = 300
THREADS = 8
BULK = 5000
DRAINED_SINGLY = 300
DRAINED_IN_BATCHES = 3000
BATCH = 100
SUPERVISED = 400
IN_SLOT = 300
PRAGMAS = (
    "journal_mode", "synchronous", "page_size", "cache_size", "wal_autocheckpoint", "journal_size_limit",
    "foreign_keys",
)  # fmt: skip


def measure(bench: Bench) -> None:
    with workbench() as work:
        expect(
            JOB_TYPE in work.host.registry.processors,
            f"there is no processor {JOB_TYPE}: pip install -e tests/support/pitchey_test_plugins",
        )
        pragmas = _pragmas(work.root / "pragmas.db")
        bench.fact("file system", file_system(work.root) or "unknown")
        bench.fact("pragmas", ", ".join(f"{name}={value}" for name, value in pragmas.items()))
        bare = partial(_Bare.new, work, pragmas)
        ours = partial(_Ours.new, work)
        pairs = [
            ("enqueue one by one", ONE_BY_ONE, partial(_singly, ONE_BY_ONE)),
            (f"enqueue one by one, {THREADS} threads", ONE_BY_ONE, partial(_threaded, ONE_BY_ONE)),
            (f"enqueue {BULK} at once", BULK, partial(_in_bulk, BULK)),
            ("drain one by one", DRAINED_SINGLY, partial(_drain, DRAINED_SINGLY, 1)),
            (f"drain {BATCH} at a time", DRAINED_IN_BATCHES, partial(_drain, DRAINED_IN_BATCHES, BATCH)),
        ]
        lines = [
            bench.compare(name, against="bare sqlite3", unit="jobs/s", by="ratio") for name, _, _ in pairs
        ]
        supervised = bench.compare(
            "drain with supervisor and slots", against="bare sqlite3, one by one", unit="jobs/s", by="ratio"
        )
        overhead = bench.compare(
            "a job in a warm slot", against="a pipe there and back", unit="ms", by="ours", goal=at_most(5.0)
        )
        with work.warm_slot() as slot, _echo() as pipe:
            _in_slot(slot, 10)
            for number in bench.rounds():
                for line, (_, jobs, act) in zip(lines, pairs, strict=True):
                    mine, theirs = in_turn(number, partial(_of, ours, act), partial(_of, bare, act))
                    line.add(jobs / mine, jobs / theirs)
                mine, theirs = in_turn(
                    number, partial(_supervise, work), lambda: _drain(DRAINED_SINGLY, 1, bare())
                )
                supervised.add(SUPERVISED / mine, DRAINED_SINGLY / theirs)
                mine, theirs = in_turn(
                    number, partial(_in_slot, slot, IN_SLOT), partial(_through_pipe, slot, pipe, IN_SLOT)
                )
                overhead.add(mine / IN_SLOT * 1000, theirs / IN_SLOT * 1000)


def _pragmas(path: Path) -> dict[str, Any]:
    """As the store sets them for its writer."""
    with closing(connect_writer(path)) as connection:
        return {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}


_numbers = count()


class _Ours:
    """The job store, as the runner uses it."""

    def __init__(self, store: JobStore, worker: WorkerInfo) -> None:
        self.store = store
        self.worker = worker

    @classmethod
    def new(cls, work: Workbench) -> _Ours:
        store = open_store(f"sqlite:///{work.root}/store-{next(_numbers)}.db")
        worker = this_worker([JOB_TYPE], lease_seconds=30.0)
        store.register_worker(worker)
        return cls(store, worker)

    def enqueue(self, values: Sequence[int]) -> None:
        self.store.enqueue([_job(value) for value in values])

    def drain(self, at_once: int) -> int:
        settled = 0
        while jobs := self.store.claim(self.worker, JOB_TYPE, at_once):
            ends = [
                Settlement(job.claim, AttemptOutcome.COMPLETED, JobState.COMPLETED, result={"facts": {}})
                for job in jobs
            ]
            settled += sum(self.store.settle(ends))
        return settled

    def count(self, *, done: bool) -> int:
        return self.store.counts().get(JobState.COMPLETED if done else JobState.PENDING, 0)

    def close(self) -> None:
        self.store.close()


class _Bare:
    """The least that a durable queue in SQLite needs."""

    def __init__(self, path: Path, pragmas: dict[str, Any]) -> None:
        self._path = path
        self._pragmas = pragmas
        self._connection = self._connect()
        self._connection.execute(
            "CREATE TABLE job (id INTEGER PRIMARY KEY, state TEXT NOT NULL, payload TEXT NOT NULL)"
        )
        self._connection.execute("CREATE INDEX ready ON job (id) WHERE state = 'pending'")

    @classmethod
    def new(cls, work: Workbench, pragmas: dict[str, Any]) -> _Bare:
        return cls(work.root / f"bare-{next(_numbers)}.db", pragmas)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=60.0, check_same_thread=False)
        for name, value in self._pragmas.items():
            connection.execute(f"PRAGMA {name} = {value}").fetchall()
        return connection

    def enqueue(self, values: Sequence[int]) -> None:
        self._enqueue(self._connection, values)

    def _enqueue(self, connection: sqlite3.Connection, values: Sequence[int]) -> None:
        rows = [("pending", json.dumps({"value": value})) for value in values]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO job (state, payload) VALUES (?, ?)", rows)
        connection.execute("COMMIT")

    def enqueue_apart(self, values: Sequence[int]) -> None:
        """One by one on a connection of its own, as each thread needs one."""
        with closing(self._connect()) as connection:
            for value in values:
                self._enqueue(connection, [value])

    def drain(self, at_once: int) -> int:
        connection, acknowledged = self._connection, 0
        while claimed := connection.execute(
            "UPDATE job SET state = 'processing' WHERE id IN "
            "(SELECT id FROM job WHERE state = 'pending' ORDER BY id LIMIT ?) RETURNING id, payload",
            (at_once,),
        ).fetchall():
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "UPDATE job SET state = 'completed' WHERE id = ?", [(row[0],) for row in claimed]
            )
            connection.execute("COMMIT")
            acknowledged += len(claimed)
        return acknowledged

    def count(self, *, done: bool) -> int:
        state = "completed" if done else "pending"
        (number,) = self._connection.execute("SELECT count(*) FROM job WHERE state = ?", (state,)).fetchone()
        return int(number)

    def close(self) -> None:
        self._connection.close()


_Queue = _Ours | _Bare


def _of(new: Callable[[], _Queue], act: Callable[[_Queue], float]) -> float:
    return act(new())


def _job(value: int) -> NewJob:
    return NewJob(JOB_TYPE, {"value": value}, instance_type="lite")


def _seconds(act: Callable[[], Any]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _singly(jobs: int, queue: _Queue) -> float:
    with closing(queue):
        queue.enqueue([0])
        took = _seconds(lambda: [queue.enqueue([value]) for value in range(jobs)])
        expect(queue.count(done=False) == jobs + 1, "jobs were lost on their way in")
    return took


def _threaded(jobs: int, queue: _Queue) -> float:
    def produce(share: Sequence[int]) -> None:
        if isinstance(queue, _Bare):
            queue.enqueue_apart(share)
            return
        for value in share:
            queue.enqueue([value])

    shares = [range(start, jobs, THREADS) for start in range(THREADS)]
    with closing(queue), ThreadPoolExecutor(THREADS) as threads:
        queue.enqueue([0])
        took = _seconds(lambda: list(threads.map(produce, shares)))
        expect(queue.count(done=False) == jobs + 1, "jobs were lost on their way in")
    return took


def _in_bulk(jobs: int, queue: _Queue) -> float:
    with closing(queue):
        queue.enqueue([0])
        took = _seconds(lambda: queue.enqueue(range(jobs)))
        expect(queue.count(done=False) == jobs + 1, "jobs were lost on their way in")
    return took


def _drain(jobs: int, at_once: int, queue: _Queue) -> float:
    with closing(queue):
        queue.enqueue(range(jobs))
        took = _seconds(lambda: expect(queue.drain(at_once) == jobs, "not every job was drained"))
        expect(queue.count(done=True) == jobs, "jobs were lost on their way out")
    return took


def _supervise(work: Workbench) -> float:
    """All of the runner but the command line: claims, slots (started in this time, too), leases, settlements."""
    with open_store(f"sqlite:///{work.root}/store-{next(_numbers)}.db") as store:
        store.enqueue([_job(value) for value in range(SUPERVISED)])
        supervisor = Supervisor(store, work.host, types=[JOB_TYPE])
        took = _seconds(lambda: anyio.run(partial(supervisor.run, drain=True)))
        expect(store.counts() == {JobState.COMPLETED: SUPERVISED}, f"after the drain: {store.counts()}")
        records = store.list(limit=SUPERVISED)
        values = {(record.payload["value"], (record.result or {})["facts"]["value"]) for record in records}
        expect(values == {(value, value) for value in range(SUPERVISED)}, "a job has another one's result")
    return took


def _in_slot(slot: WarmSlot, jobs: int) -> float:
    orders = [slot.order(JOB_TYPE, {"value": value}, None) for value in range(jobs)]
    outcomes, took = slot.run_all(orders)
    expect([(each.facts or {}).get("value") for each in outcomes] == list(range(jobs)), "a wrong answer")
    return took


@contextmanager
def _echo() -> Iterator[Connection]:
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_echo_forever, args=(there,), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join()


def _echo_forever(pipe: Connection) -> None:
    while True:
        try:
            pipe.send(pipe.recv())
        except EOFError:
            os._exit(0)


def _through_pipe(slot: WarmSlot, pipe: Connection, jobs: int) -> float:
    orders = [slot.order(JOB_TYPE, {"value": value}, None) for value in range(jobs)]
    records = [pack_orders([order]) for order in orders]
    started = time.perf_counter()
    for record in records:
        pipe.send(record)
        expect(pipe.recv() == record, "the pipe returned something else")
    return time.perf_counter() - started


if __name__ == "__main__":
    run_benchmark("job store and slots", measure)
