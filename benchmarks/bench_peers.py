"""The whole queue beside the job queues of the field: drain, enqueue, and what a kill of all workers costs each.

The peers are not among our dependencies. They need an environment of their own, a ``redis-server`` on ``PATH``, and a
Postgres (the host's, or that of the dev extra)::

    python -m venv peers
    peers/bin/pip install celery dbos dramatiq huey procrastinate 'psycopg[binary]' rq taskiq taskiq-redis
    PEERS_PYTHON=peers/bin/python python benchmarks/bench_peers.py

Each runs two processes. Its settings are swept: every one is tried once, and the best is measured. Redis appends to
its file and syncs each second; SQLite runs in WAL mode with ``synchronous=FULL``; Postgres with ``fsync``. A drain
starts on a full queue, and what counts starts once a tenth of it is done. A peer's job counts when it has run, one of
ours when its attempt, event and ledger rows are durable.

The crash test: 100 jobs of 50 ms, two at a time; the whole tree of workers is killed and started again five times.
Then all is left alone until nothing happens for eight seconds. What has not run by then and is in no store any more is
*lost*; what is still in the store, and waits for a timeout or an operator, is *stuck*.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import ExitStack
from functools import partial
from itertools import count
from typing import Final

import anyio
from harness import Bench, Comparison, at_least, expect, in_turn, run_benchmark
from peer_queues import (
    CRASH_JOBS,
    PEERS,
    PYTHON,
    REDIS,
    Peer,
    RunningPeer,
    Setting,
    new_redis,
    outcome,
    under_kills,
)
from stores import POSTGRES, SQLITE, NewStore, new_stores
from workbench import Workbench, pitchey_run, workbench

from pitchey_core.process import kill_tree
from pitchey_runner.store import open_store
from pitchey_runner.store.interface import AttemptOutcome, JobFilter, JobState, NewJob
from pitchey_runner.supervisor import Event, JobSettled, Supervisor

JOBS: Final = 20_000
SINGLY: Final = 500
_numbers: Final = count()


def measure(bench: Bench) -> None:
    if PYTHON is None:
        bench.note("PEERS_PYTHON names no environment with the peers: nothing is compared with them.")
        return
    with ExitStack() as stack:
        work = stack.enter_context(workbench())
        stores = {
            **stack.enter_context(new_stores(work, bench)),
            REDIS: stack.enter_context(new_redis(work.root)),
        }
        peers = [peer for peer in PEERS if peer.database in stores]
        bench.fact("versions", _versions(PYTHON))
        best = {peer.name: _swept(bench, work, stores, peer) for peer in peers}
        drains = {peer.name: _row(bench, peer) for peer in peers}
        singly = {
            peer.name: bench.compare("enqueue one by one", against=peer.name, unit="jobs/s", by="ratio")
            for peer in peers
        }
        for number in bench.rounds():
            for peer in peers:
                ours = _our_store(stores, peer)
                theirs = RunningPeer(work.root, stores[peer.database](), peer, best[peer.name])
                mine, (their_drain, their_enqueue) = in_turn(
                    number, lambda ours=ours: (_drain(work, ours()), _enqueue(ours())), theirs.drain
                )
                drains[peer.name].add(mine[0], their_drain)
                singly[peer.name].add(mine[1], their_enqueue)
        for database in (SQLITE, POSTGRES):
            if database in stores:
                bench.fact(f"five kills: ours, {database}", _crash(work, stores[database]()))
        for peer in peers:
            running = RunningPeer(work.root, stores[peer.database](), peer, peer.one_each)
            bench.fact(f"five kills: {peer.name}, {peer.one_each.words}", running.crash())


def _row(bench: Bench, peer: Peer) -> Comparison:
    goal = None if peer.goal is None else at_least(peer.goal)
    return bench.compare("drain", against=peer.name, unit="jobs/s", by="ratio", goal=goal)


def _swept(bench: Bench, work: Workbench, stores: dict[str, NewStore], peer: Peer) -> Setting:
    def rate(setting: Setting) -> float:
        return RunningPeer(work.root, stores[peer.database](), peer, setting).drain()[0]

    rates = {setting.words: rate(setting) for setting in peer.settings}
    bench.fact(f"{peer.name}, tried", ", ".join(f"{words}: {each:,.0f}/s" for words, each in rates.items()))
    return max(peer.settings, key=lambda setting: rates[setting.words])


def _versions(python: str) -> str:
    code = (
        "from importlib.metadata import version; print(', '.join(f'{n} {version(n)}' for n in"
        " 'celery dbos dramatiq huey procrastinate rq taskiq'.split()))"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


# -- ours --------------------------------------------------------------------------------------------------------


def _our_store(stores: dict[str, NewStore], peer: Peer) -> NewStore:
    """Of the peer's kind; against one on Redis a file, which needs no server at all."""
    return stores[POSTGRES if peer.database == POSTGRES else SQLITE]


def _drain(work: Workbench, url: str) -> float:
    ends: list[float] = []

    def watch(event: Event) -> None:
        if isinstance(event, JobSettled):
            ends.append(time.perf_counter())

    with open_store(url) as store:
        for first in range(0, JOBS, 5000):
            store.enqueue([_noop(value) for value in range(first, first + 5000)])
        supervisor = Supervisor(store, work.host, types=["test-noop"], watcher=watch)
        anyio.run(partial(supervisor.run, drain=True))
        expect(store.counts() == {JobState.COMPLETED: JOBS}, f"after the drain: {store.counts()}")
    tenth = JOBS // 10
    return (JOBS - tenth) / (ends[-1] - ends[tenth - 1])


def _noop(value: int) -> NewJob:
    return NewJob("test-noop", {"value": value}, instance_type="lite")


def _enqueue(url: str) -> float:
    with open_store(url) as store:
        store.enqueue([_noop(0)])
        began = time.perf_counter()
        for value in range(SINGLY):
            store.enqueue([_noop(value)])
        return SINGLY / (time.perf_counter() - began)


def _crash(work: Workbench, url: str) -> str:
    """The same kills, by the command that users call."""
    folder = work.root / f"ours-{next(_numbers)}"
    folder.mkdir()
    (folder / "pitchey.toml").write_text("[queues.test-sleep]\nmax_slots = 2\nbatch_size = 1\n")
    environment = {**os.environ, "PITCHEY_STORE": url, "PITCHEY_DATA_DIR": str(folder / "data")}
    workers: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        workers.append(
            subprocess.Popen(
                [str(pitchey_run()), "work"],
                env=environment,
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def kill() -> None:
        worker = workers.pop()
        kill_tree(worker.pid)
        worker.wait()

    with open_store(url) as store:
        job = partial(NewJob, "test-sleep", {"seconds": 0.05}, instance_type="lite", max_attempts=10)
        store.enqueue([job() for _ in range(CRASH_JOBS)])
        seconds = under_kills(start, kill, lambda: store.counts().get(JobState.COMPLETED, 0))
        records = store.list(JobFilter(), limit=CRASH_JOBS)
        attempts = [store.attempts(each.id) for each in records]
    stuck = sum(each.status is not JobState.COMPLETED for each in records)
    again = sum(any(each.outcome is AttemptOutcome.LOST for each in of_one) for of_one in attempts)
    lost = CRASH_JOBS - len(records)
    return outcome(lost, stuck, f"{again} lost an attempt, each ended once", seconds)


if __name__ == "__main__":
    run_benchmark("job queues of the field", measure)
