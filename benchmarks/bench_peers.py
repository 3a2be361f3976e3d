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
import random
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import anyio
from harness import Bench, Comparison, at_least, expect, in_turn, run_benchmark
from workbench import Workbench, pitchey_run, workbench

from pitchey_core.process import kill_tree
from pitchey_runner.store import open_store
from pitchey_runner.store.interface import JobFilter, JobState, NewJob
from pitchey_runner.supervisor import Event, JobSettled, Supervisor

_GIVEN: Final = os.environ.get("PEERS_PYTHON")
# Not resolved: a link to an interpreter is what makes an environment.
PYTHON: Final = str(Path(_GIVEN).absolute()) if _GIVEN else None
APPS: Final = Path(__file__).with_name("peers")
OUR_JOBS: Final = 20_000
PEER_JOBS: Final = 4_000
SINGLY: Final = 500
LONGEST_SECONDS: Final = 8.0
"""Of a drain: a slow peer is measured by what it has done until then."""
CRASH_JOBS: Final = 100
KILLS: Final = 5
PATIENCE_SECONDS: Final = 8.0
_numbers: Final = count()

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to run a peer: the commands of its workers, and what else is in their environment."""

    words: str
    commands: tuple[tuple[str, ...], ...]
    environment: Environment = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peer:
    """A job queue.

    Attributes:
        kind: Of its store: ``redis``, ``sqlite`` or ``postgres``.
        settings: Those that are tried for the drain.
        one_each: In the crash test: two processes with one job each.
        goal: Of our drain against its.
    """

    name: str
    app: str
    kind: str
    settings: tuple[Setting, ...]
    one_each: Setting
    goal: float | None = None


def _celery(ahead: int) -> Setting:
    command = ("celery", "-A", "celery_app", "worker", "-c", "2", "-P", "prefork", "-l", "ERROR")
    return Setting(f"acks_late, prefetch {ahead}", (command,), {"PEER_AHEAD": str(ahead)})


def _rq(kind: str) -> Setting:
    command = ("rq", "worker", "-q", "-P", str(APPS), "-u", "{redis}", "-w", f"rq.{kind}", "bench")
    return Setting(f"2 x {kind}", (command, command))


def _dramatiq(threads: int) -> Setting:
    return Setting(f"-p 2 -t {threads}", (("dramatiq", "dramatiq_app", "-p", "2", "-t", str(threads)),))


def _taskiq(kind: str, *more: str) -> Setting:
    command = ("taskiq", "worker", "taskiq_app:broker", "--workers", "2", "--log-level", "ERROR", *more)
    return Setting(" ".join((kind, *more)), (command,), {"PEER_KIND": kind})


def _procrastinate(together: int) -> Setting:
    command = ("procrastinate", "--app", "procrastinate_app.app", "worker", "--concurrency", str(together))
    return Setting(f"2 x --concurrency {together}", (command, command))


def _dbos(words: str, **environment: str) -> Setting:
    commands = tuple(
        ("env", f"PEER_EXECUTOR={name}", "{python}", str(APPS / "dbos_app.py")) for name in ("a", "b")
    )
    return Setting(f"2 processes, {words}", commands, environment)


def _huey(kind: str, workers: int) -> Setting:
    command = ("huey_consumer", "huey_app.huey", "-w", str(workers), "-k", kind, "-q")
    return Setting(f"-w {workers} -k {kind}", (command,), {"HUEY_SYNCHRONOUS": "FULL"})


_DBOS: Final = (
    _dbos("as it comes"),
    _dbos("100 at once, a look each 20 ms", PEER_AHEAD="100", PEER_POLL="0.02"),
)
_SINGLE: Final = ("--max-async-tasks", "1", "--max-prefetch", "1")
_ONE: Final = _dbos("1 at once, a look each 50 ms", PEER_AHEAD="1", PEER_POLL="0.05")

PEERS: Final = (
    Peer("Huey, SQLite", "huey_app", "sqlite", (_huey("process", 2), _huey("thread", 2)), _huey("process", 2), 1.0),
    Peer("DBOS, SQLite", "dbos_app", "sqlite", _DBOS, _ONE, 5.0),
    Peer("DBOS, Postgres", "dbos_app", "postgres", _DBOS, _ONE, 5.0),
    Peer("Procrastinate", "procrastinate_app", "postgres", (_procrastinate(10), _procrastinate(40)), _procrastinate(1)),
    Peer("taskiq, stream", "taskiq_app", "redis", (_taskiq("stream"),), _taskiq("stream", *_SINGLE)),
    Peer("taskiq, list", "taskiq_app", "redis", (_taskiq("list"),), _taskiq("list", *_SINGLE)),
    Peer("Dramatiq", "dramatiq_app", "redis", (_dramatiq(8), _dramatiq(2)), _dramatiq(1)),
    Peer("Celery", "celery_app", "redis", (_celery(4), _celery(64)), _celery(1)),
    Peer("RQ", "rq_app", "redis", (_rq("SimpleWorker"), _rq("Worker")), _rq("Worker")),
)  # fmt: skip


def measure(bench: Bench) -> None:
    if PYTHON is None:
        bench.note("PEERS_PYTHON names no environment with the peers: nothing is compared with them.")
        return
    with ExitStack() as stack:
        work = stack.enter_context(workbench())
        servers = Servers(work, stack.enter_context(_redis(work.root)), stack.enter_context(_postgres()))
        bench.fact("versions", _versions(PYTHON))
        best = {peer.name: _swept(bench, servers, peer) for peer in PEERS}
        drains = {peer.name: _row(bench, peer) for peer in PEERS}
        singly = {
            peer.name: bench.compare("enqueue one by one", against=peer.name, unit="jobs/s", by="ratio")
            for peer in PEERS
        }
        for number in bench.rounds():
            for peer in PEERS:
                ours, theirs = in_turn(
                    number,
                    partial(_our_drain, servers, peer.kind),
                    partial(_drain, servers, peer, best[peer.name]),
                )
                drains[peer.name].add(ours, theirs[0])
                singly[peer.name].add(_our_enqueue(servers, peer.kind), theirs[1])
        for kind in ("sqlite", "postgres"):
            bench.fact(f"five kills: ours, {kind}", _our_crash(servers, kind))
        for peer in PEERS:
            bench.fact(f"five kills: {peer.name}, {peer.one_each.words}", _crash(servers, peer))


def _row(bench: Bench, peer: Peer) -> Comparison:
    goal = None if peer.goal is None else at_least(peer.goal)
    return bench.compare("drain", against=peer.name, unit="jobs/s", by="ratio", goal=goal)


def _swept(bench: Bench, servers: Servers, peer: Peer) -> Setting:
    rates = {setting.words: _drain(servers, peer, setting)[0] for setting in peer.settings}
    bench.fact(f"{peer.name}, tried", ", ".join(f"{words}: {rate:,.0f}/s" for words, rate in rates.items()))
    return max(peer.settings, key=lambda setting: rates[setting.words])


def _versions(python: str) -> str:
    code = (
        "from importlib.metadata import version; print(', '.join(f'{n} {version(n)}' for n in"
        " 'celery dbos dramatiq huey procrastinate rq taskiq'.split()))"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


# -- stores ------------------------------------------------------------------------------------------------------


@contextmanager
def _redis(root: Path) -> Iterator[str]:
    """URL of a server of its own."""
    program = shutil.which("redis-server")
    expect(program, "there is no redis-server on PATH")
    assert program is not None
    folder = root / "redis"
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
    arguments += ["--appendonly", "yes", "--appendfsync", "everysec"]
    server = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            expect(server.poll() is None, "redis-server has ended")
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def _postgres() -> Iterator[PostgresServer]:
    server = PostgresServer(durable=True)
    try:
        yield server
    finally:
        server.remove()


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the stores are."""

    work: Workbench
    redis: str
    postgres: PostgresServer

    def fresh(self, kind: str) -> str:
        """URL of an empty store."""
        name = f"store{next(_numbers)}"
        match kind:
            case "redis":
                subprocess.run(
                    ["redis-cli", "-u", self.redis, "flushall"], stdout=subprocess.DEVNULL, check=True
                )
                return self.redis
            case "postgres":
                self.postgres.execute(f"CREATE DATABASE {name}")
                return self.postgres.url(name, tcp=True)
            case _:
                return f"sqlite:///{self.work.root}/{name}.db"


# -- a peer ------------------------------------------------------------------------------------------------------


class Running:
    """A peer with an empty store."""

    def __init__(self, servers: Servers, peer: Peer, setting: Setting) -> None:
        self.peer, self.setting = peer, setting
        self.url = servers.fresh(peer.kind)
        self.folder = servers.work.root / f"peer-{next(_numbers)}"
        self.folder.mkdir()
        self.marks = self.folder / "marks"
        self.marks.touch()
        own = {
            "PEER_MARKS": str(self.marks),
            "PYTHONPATH": str(APPS),
            "PYTHONWARNINGS": "ignore",
            **setting.environment,
        }
        match peer.kind:
            case "redis":
                own["PEER_REDIS"] = self.url
            case "postgres":
                own["PEER_POSTGRES"] = self.url
            case _:
                own["PEER_SQLITE"] = own["HUEY_FILE"] = self.url.removeprefix("sqlite:///")
        self.environment = {**os.environ, **own}
        self.workers: list[subprocess.Popen[bytes]] = []
        self.drive("setup")

    def drive(self, *arguments: str) -> float:
        """What the application answers."""
        assert PYTHON is not None
        done = subprocess.run(
            [PYTHON, str(APPS / "drive.py"), self.peer.app, *arguments],
            env=self.environment, cwd=self.folder, capture_output=True, text=True,
        )  # fmt: skip
        expect(done.returncode == 0, f"{self.peer.name}: {arguments[0]} failed: {done.stderr[-800:]}")
        return float(done.stdout.split()[-1]) if done.stdout.strip() else 0.0

    def start(self) -> None:
        assert PYTHON is not None
        programs = Path(PYTHON).parent
        for command in self.setting.commands:
            words = [each.format(redis=self.url, python=PYTHON) for each in command]
            if (programs / words[0]).exists():
                words[0] = str(programs / words[0])
            with (self.folder / "log").open("ab") as log:
                self.workers.append(
                    subprocess.Popen(
                        words,
                        env=self.environment,
                        cwd=self.folder,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )

    def kill(self) -> None:
        for each in self.workers:
            kill_tree(each.pid)
            each.wait()
        self.workers = []

    def ended(self) -> Counter[int]:
        """How often each numbered job has run to its end."""
        return Counter(int(line) for line in self.marks.read_bytes().split())


def _drain(servers: Servers, peer: Peer, setting: Setting) -> tuple[float, float]:
    """Jobs a second from the first tenth on, and while they were enqueued one by one."""
    running = Running(servers, peer, setting)
    singly = running.drive("enqueue", "noop", str(PEER_JOBS))
    running.start()
    try:
        began = first = 0.0
        least = time.perf_counter() + 60
        while True:
            done, now = running.marks.stat().st_size, time.perf_counter()
            if not began and done >= PEER_JOBS * 0.1:
                began, first = now, done
            if done >= PEER_JOBS or (began and now - began > LONGEST_SECONDS):
                return (done - first) / (now - began), singly
            log = running.folder / "log"
            expect(now < least, f"{peer.name} does not work: {log.read_text(errors='replace')[-800:]}")
            time.sleep(0.005)
    finally:
        running.kill()


def _crash(servers: Servers, peer: Peer) -> str:
    chance = random.Random(1)
    running = Running(servers, peer, peer.one_each)
    running.drive("enqueue", "slow", str(CRASH_JOBS))
    began = time.monotonic()
    for _ in range(KILLS):
        before, least = running.marks.stat().st_size, time.monotonic() + 20
        running.start()
        while running.marks.stat().st_size == before and time.monotonic() < least:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.1, 0.4))
        running.kill()
    running.start()
    try:
        last, seen = time.monotonic(), 0
        while len(ended := running.ended()) < CRASH_JOBS and time.monotonic() - last < PATIENCE_SECONDS:
            if len(ended) > seen:
                last, seen = time.monotonic(), len(ended)
            time.sleep(0.1)
    finally:
        running.kill()
    missing = CRASH_JOBS - len(ended)
    stuck = min(missing, int(running.drive("left")))
    twice = sum(times > 1 for times in ended.values())
    return _told(missing - stuck, stuck, f"{twice} ended twice", last - began)


def _told(lost: int, stuck: int, again: str, seconds: float) -> str:
    end = "not all done" if lost or stuck else f"all done after {seconds:.1f} s"
    return f"{lost} lost, {stuck} stuck, {again}, {end}"


# -- ours --------------------------------------------------------------------------------------------------------


def _our_url(servers: Servers, kind: str) -> str:
    # Against a peer on Redis: in a file, which is what needs no server at all.
    return servers.fresh("postgres" if kind == "postgres" else "sqlite")


def _our_drain(servers: Servers, kind: str) -> float:
    ends: list[float] = []

    def watch(event: Event) -> None:
        if isinstance(event, JobSettled):
            ends.append(time.perf_counter())

    with open_store(_our_url(servers, kind)) as store:
        for first in range(0, OUR_JOBS, 5000):
            store.enqueue([_noop(value) for value in range(first, first + 5000)])
        supervisor = Supervisor(store, servers.work.host, types=["test-noop"], watcher=watch)
        anyio.run(partial(supervisor.run, drain=True))
        expect(store.counts() == {JobState.COMPLETED: OUR_JOBS}, f"after the drain: {store.counts()}")
    tenth = OUR_JOBS // 10
    return (OUR_JOBS - tenth) / (ends[-1] - ends[tenth - 1])


def _noop(value: int) -> NewJob:
    return NewJob("test-noop", {"value": value}, instance_type="lite")


def _our_enqueue(servers: Servers, kind: str) -> float:
    with open_store(_our_url(servers, kind)) as store:
        store.enqueue([_noop(0)])
        began = time.perf_counter()
        for value in range(SINGLY):
            store.enqueue([_noop(value)])
        return SINGLY / (time.perf_counter() - began)


def _our_crash(servers: Servers, kind: str) -> str:
    """The same kills, by the command that users call."""
    chance = random.Random(1)
    url = _our_url(servers, kind)
    folder = servers.work.root / f"ours-{next(_numbers)}"
    folder.mkdir()
    (folder / "pitchey.toml").write_text("[queues.test-sleep]\nmax_slots = 2\nbatch_size = 1\nretries = 10\n")
    environment = {**os.environ, "PITCHEY_STORE": url, "PITCHEY_DATA_DIR": str(folder / "data")}

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(pitchey_run()), "work"],
            env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    with open_store(url) as store:
        store.enqueue([
            NewJob("test-sleep", {"seconds": 0.05}, instance_type="lite", max_attempts=KILLS + 5)
            for _ in range(CRASH_JOBS)
        ])  # fmt: skip
        began = time.monotonic()
        for _ in range(KILLS):
            before, least = store.counts().get(JobState.COMPLETED, 0), time.monotonic() + 20
            worker = start()
            while store.counts().get(JobState.COMPLETED, 0) == before and time.monotonic() < least:
                time.sleep(0.01)
            time.sleep(chance.uniform(0.1, 0.4))
            kill_tree(worker.pid)
            worker.wait()
        worker = start()
        try:
            last, seen = time.monotonic(), 0
            while seen < CRASH_JOBS and time.monotonic() - last < PATIENCE_SECONDS:
                done = store.counts().get(JobState.COMPLETED, 0)
                if done > seen:
                    last, seen = time.monotonic(), done
                time.sleep(0.05)
        finally:
            kill_tree(worker.pid)
            worker.wait()
        records = store.list(JobFilter(), limit=CRASH_JOBS)
        again = sum(len(store.attempts(each.id)) > 1 for each in records)
    stuck = sum(each.status is not JobState.COMPLETED for each in records)
    return _told(CRASH_JOBS - len(records), stuck, f"{again} begun again, each ended once", last - began)


sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from postgres_server import PostgresServer  # noqa: E402 - how the tests start one

if __name__ == "__main__":
    run_benchmark("job queues of the field", measure)
