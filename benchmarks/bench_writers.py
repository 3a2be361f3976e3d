"""Eight processes write to one store: does any of them hear that it is locked, and how long does one wait at worst?

At 200 jobs a second in all, each process submits its share in its own time and takes jobs through the store as a worker
does; saturated, each does so as fast as it can. A call that begins late because the one before it was slow counts from
when it was due. The peers are eight processes that insert the same payloads with the bare drivers, durable as ours:
sqlite3 with its busy handler, psycopg on the same server.

Each part takes ``PITCHEY_BENCH_SECONDS`` (default 3, the full length is 600).
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path

import psycopg
from harness import Bench, Comparison, at_most, expect, in_turn, run_benchmark
from stores import POSTGRES, SQLITE, NewStore, new_stores
from workbench import workbench

from pitchey_core.pricing import Usage
from pitchey_runner.store import open_store
from pitchey_runner.store.interface import AttemptOutcome, JobState, NewJob, Settlement
from pitchey_runner.supervisor.identity import this_worker

SECONDS = float(os.environ.get("PITCHEY_BENCH_SECONDS", "3"))
WRITERS = 8
PER_SECOND = 200.0
CLAIMED_AT_ONCE = 10
JOB_TYPE = "test-noop"
PAYLOAD = {"value": 4711}

_spawn = multiprocessing.get_context("spawn")
_numbers = itertools.count(1)


@dataclass
class Written:
    """What one writer did, or all of them.

    Attributes:
        enqueues: Seconds of each submission.
        others: Seconds of each claim and settlement.
        refused: Messages of calls that failed.
        begun: Jobs submitted before the clock started.
    """

    enqueues: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    settled: int = 0
    begun: int = 0

    @property
    def worst(self) -> float:
        return max(*self.enqueues, *self.others, 0.0)

    def p99(self) -> float:
        return statistics.quantiles(self.enqueues, n=100)[98]


class _Ours:
    """A store as submitters and workers use it."""

    def __init__(self, url: str) -> None:
        self._store = open_store(url)
        self._me = this_worker([JOB_TYPE], lease_seconds=600.0)
        self._claims: list[Settlement] = []

    def enqueue(self) -> None:
        self._store.enqueue([NewJob(JOB_TYPE, PAYLOAD, instance_type="lite")])

    def others(self) -> Iterator[Callable[[], object]]:
        yield self._claim
        yield self._settle

    def _claim(self) -> None:
        self._claims = [
            Settlement(job.claim, AttemptOutcome.COMPLETED, JobState.COMPLETED, usage=Usage(wall_us=10))
            for job in self._store.claim(self._me, JOB_TYPE, CLAIMED_AT_ONCE)
        ]

    def _settle(self) -> int:
        expect(all(self._store.settle(self._claims)), "a settlement was refused")
        return len(self._claims)

    def close(self) -> None:
        self._store.close()


class _BareSqlite:
    """One row a job; the busy handler waits."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = wal")
        self._connection.execute("PRAGMA synchronous = full")
        self._connection.execute("CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, payload TEXT)")

    def enqueue(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO job (payload) VALUES (?)", (json.dumps(PAYLOAD),))
        self._connection.execute("COMMIT")

    def others(self) -> Iterator[Callable[[], object]]:
        return iter(())

    def close(self) -> None:
        self._connection.close()


class _BarePostgres:
    """One row a job."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("CREATE TABLE IF NOT EXISTS job (id bigserial PRIMARY KEY, payload jsonb)")

    def enqueue(self) -> None:
        self._connection.execute("INSERT INTO job (payload) VALUES (%s)", (json.dumps(PAYLOAD),))

    def others(self) -> Iterator[Callable[[], object]]:
        return iter(())

    def close(self) -> None:
        self._connection.close()


_Queue = _Ours | _BareSqlite | _BarePostgres
_Opened = Callable[[str], _Queue]


def measure(bench: Bench) -> None:
    bench.fact("seconds of each part", f"{SECONDS:g}")
    start = _spawn.Barrier(WRITERS)
    with (
        workbench() as work,
        new_stores(work, bench) as stores,
        _spawn.Pool(WRITERS, _begin, (start,)) as pool,
    ):
        bench.fact(
            "fdatasync of a block, median and 99th percentile",
            "{:.2f}, {:.2f} ms".format(*_sync_ms(work.root)),
        )
        for name, new_store in stores.items():
            where = partial(_empty, new_store)
            bare = {SQLITE: _BareSqlite, POSTGRES: _BarePostgres}[name]
            against = f"bare {'sqlite3' if bare is _BareSqlite else 'psycopg'}"
            line = partial(bench.compare, against=against, by="ours")
            lines = [
                line(f"{name}, {PER_SECOND:g}/s: 99th percentile", unit="ms", goal=at_most(25)),
                line(f"{name}, {PER_SECOND:g}/s: worst enqueue", unit="ms"),
                line(f"{name}, saturated: 99th percentile", unit="ms"),
                line(f"{name}, saturated: worst call", unit="ms", goal=at_most(1000)),
                bench.compare(f"{name}, saturated", against=against, unit="jobs/s", by="ratio"),
            ]
            for number in bench.rounds():
                _compare(pool, bench, number, lines, where, bare)


def _compare(
    pool: Pool,
    bench: Bench,
    number: int,
    lines: Sequence[Comparison],
    where: Callable[[type[_Queue]], str],
    bare: type[_Queue],
) -> None:
    p99, worst, busy_p99, busy_worst, rate = lines
    for per_second in (PER_SECOND, None):
        ours, peer = in_turn(
            number, *(partial(_write, pool, each, where(each), per_second) for each in (_Ours, bare))
        )
        expect(ours.refused == [], f"{len(ours.refused)} calls failed, first: {ours.refused[:1]}")
        if peer.refused:
            bench.note(f"{p99.against}: {len(peer.refused)} calls failed, first: {peer.refused[0]}")
        if per_second is not None:
            p99.add(ours.p99() * 1e3, peer.p99() * 1e3)
            worst.add(max(ours.enqueues) * 1e3, max(peer.enqueues) * 1e3)
        else:
            busy_p99.add(ours.p99() * 1e3, peer.p99() * 1e3)
            busy_worst.add(ours.worst * 1e3, peer.worst * 1e3)
            rate.add(len(ours.enqueues) / SECONDS, len(peer.enqueues) / SECONDS)


def _write(pool: Pool, opened: type[_Queue], url: str, per_second: float | None) -> Written:
    """Let all writers write for so long. Each waits for the others before it begins, so each takes one share."""
    shares = pool.map(partial(_share, opened, url, per_second, SECONDS), range(WRITERS), chunksize=1)
    all_of_them = Written()
    for each in shares:
        all_of_them.enqueues += each.enqueues
        all_of_them.others += each.others
        all_of_them.refused += each.refused
        all_of_them.settled += each.settled
        all_of_them.begun += each.begun
    if opened is _Ours:
        with open_store(url) as store:
            counts = store.counts()
        submitted = len(all_of_them.enqueues) + all_of_them.begun
        expect(sum(counts.values()) == submitted, f"jobs were lost or doubled: {counts}")
        expect(counts.get(JobState.COMPLETED, 0) == all_of_them.settled, f"settlements were lost: {counts}")
        expect(not counts.get(JobState.PROCESSING), f"jobs are still claimed: {counts}")
    return all_of_them


def _begin(start: object) -> None:
    global _start
    _start = start


def _share(opened: type[_Queue], url: str, per_second: float | None, seconds: float, number: int) -> Written:
    """The work of one writer. Its process has no setting of the user's left, and so no length either."""
    written = Written()
    with closing(opened(url)) as queue:
        # What each does once only (statements are prepared, connections made) is not what is measured.
        queue.enqueue()
        written.begun = 1
        _take(queue, written, [])
        _start.wait()  # type: ignore[attr-defined]
        begun = time.perf_counter()
        every = 0.0 if per_second is None else WRITERS / per_second
        due = begun + every * random.random()
        free = begun
        for turn in itertools.count(1):
            if (now := time.perf_counter()) < due:
                time.sleep(due - now)
            if time.perf_counter() - begun >= seconds:
                return written
            # Who was kept by the call before is late since it was due; who has slept too long is not.
            free = _timed(
                queue.enqueue, written.enqueues, written.refused, due if free > due and every else None
            )
            if turn % CLAIMED_AT_ONCE == number:
                _take(queue, written, written.others)
                free = time.perf_counter()
            due += every
    raise AssertionError("it returns when its time is over")


def _take(queue: _Queue, written: Written, times: list[float]) -> None:
    """Claim and settle."""
    for act in queue.others():
        settled: list[object] = []
        _timed(lambda act=act, to=settled: to.append(act()), times, written.refused)
        written.settled += sum(each for each in settled if isinstance(each, int))


def _timed(
    act: Callable[[], object], times: list[float], refused: list[str], since: float | None = None
) -> float:
    start = time.perf_counter() if since is None else since
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever a driver says
        refused.append(f"{type(error).__name__}: {error}")
        return time.perf_counter()
    end = time.perf_counter()
    times.append(end - start)
    return end


def _sync_ms(folder: Path) -> tuple[float, float]:
    """What each durable write costs on this disk now: that is what nobody gets below."""
    took = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - begun) * 1e3)
            time.sleep(0.005)
    return statistics.median(took), statistics.quantiles(took, n=100)[98]


def _empty(new_store: NewStore, opened: type[_Queue]) -> str:
    url = new_store()
    with closing(opened(url)):
        return url


if __name__ == "__main__":
    run_benchmark("eight writers", measure)
