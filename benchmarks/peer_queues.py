"""The job queues that ours is measured beside: how each is started, filled, drained and killed.

What runs in their own interpreter is in ``peers/``.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

from harness import expect
from stores import POSTGRES, SQLITE, NewStore

from pitchey_core.process import kill_tree

__all__ = [
    "CRASH_JOBS",
    "PEERS",
    "PYTHON",
    "REDIS",
    "Peer",
    "RunningPeer",
    "Setting",
    "new_redis",
    "outcome",
    "under_kills",
]

REDIS: Final = "Redis"
_GIVEN: Final = os.environ.get("PEERS_PYTHON")
# Not resolved: a link to an interpreter is what makes an environment.
PYTHON: Final = str(Path(_GIVEN).absolute()) if _GIVEN else None
APPS: Final = Path(__file__).with_name("peers")
JOBS: Final = 4_000
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
        database: What it keeps its jobs in.
        settings: Those that are tried for the drain.
        one_each: In the crash test: two processes with one job each.
        goal: Of our drain against its.
    """

    name: str
    app: str
    database: str
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
    Peer("Huey, SQLite", "huey_app", SQLITE, (_huey("process", 2), _huey("thread", 2)), _huey("process", 2), 1.0),
    Peer("DBOS, SQLite", "dbos_app", SQLITE, _DBOS, _ONE, 5.0),
    Peer("DBOS, Postgres", "dbos_app", POSTGRES, _DBOS, _ONE, 5.0),
    Peer("Procrastinate", "procrastinate_app", POSTGRES, (_procrastinate(10), _procrastinate(40)), _procrastinate(1)),
    Peer("taskiq, stream", "taskiq_app", REDIS, (_taskiq("stream"),), _taskiq("stream", *_SINGLE)),
    Peer("taskiq, list", "taskiq_app", REDIS, (_taskiq("list"),), _taskiq("list", *_SINGLE)),
    Peer("Dramatiq", "dramatiq_app", REDIS, (_dramatiq(8), _dramatiq(2)), _dramatiq(1)),
    Peer("Celery", "celery_app", REDIS, (_celery(4), _celery(64)), _celery(1)),
    Peer("RQ", "rq_app", REDIS, (_rq("SimpleWorker"), _rq("Worker")), _rq("Worker")),
)  # fmt: skip


@contextmanager
def new_redis(root: Path) -> Iterator[NewStore]:
    """A server of its own, which is emptied for each store that is asked for."""
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
    url = f"redis://127.0.0.1:{port}/0"

    def emptied() -> str:
        subprocess.run(["redis-cli", "-u", url, "flushall"], stdout=subprocess.DEVNULL, check=True)
        return url

    try:
        while True:
            expect(server.poll() is None, "redis-server has ended")
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.02)
        yield emptied
    finally:
        server.terminate()
        server.wait()


class RunningPeer:
    """A peer with an empty store."""

    def __init__(self, root: Path, url: str, peer: Peer, setting: Setting) -> None:
        self.peer, self.setting, self.url = peer, setting, url
        self.folder = root / f"peer-{next(_numbers)}"
        self.folder.mkdir()
        self.marks = self.folder / "marks"
        self.marks.touch()
        own = {
            "PEER_MARKS": str(self.marks),
            "PYTHONPATH": str(APPS),
            "PYTHONWARNINGS": "ignore",
            **setting.environment,
        }
        if peer.database == SQLITE:
            own["PEER_SQLITE"] = own["HUEY_FILE"] = url.removeprefix("sqlite:///")
        else:
            own[f"PEER_{peer.database.upper()}"] = url
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

    def drain(self) -> tuple[float, float]:
        """Jobs a second from the first tenth on, and while they were enqueued one by one."""
        singly = self.drive("enqueue", "noop", str(JOBS))
        self.start()
        try:
            began = first = 0.0
            least = time.perf_counter() + 60
            while True:
                done, now = self.marks.stat().st_size, time.perf_counter()
                if not began and done >= JOBS * 0.1:
                    began, first = now, done
                if done >= JOBS or (began and now - began > LONGEST_SECONDS):
                    return (done - first) / (now - began), singly
                log = self.folder / "log"
                expect(
                    now < least, f"{self.peer.name} does not work: {log.read_text(errors='replace')[-800:]}"
                )
                time.sleep(0.005)
        finally:
            self.kill()

    def crash(self) -> str:
        """What became of all jobs, in words."""
        self.drive("enqueue", "slow", str(CRASH_JOBS))
        seconds = under_kills(self.start, self.kill, lambda: len(self._ended()))
        ended = self._ended()
        missing = CRASH_JOBS - len(ended)
        stuck = min(missing, int(self.drive("left")))
        twice = sum(times > 1 for times in ended.values())
        return outcome(missing - stuck, stuck, f"{twice} ended twice", seconds)

    def _ended(self) -> Counter[int]:
        """How often each numbered job has run to its end."""
        return Counter(int(line) for line in self.marks.read_bytes().split())


def under_kills(start: Callable[[], None], kill: Callable[[], None], done: Callable[[], int]) -> float:
    """Kill the workers at their work, again and again, and then let them; seconds until the last job ended.

    Args:
        kill: Of the whole tree.
        done: How many of :data:`CRASH_JOBS` have ended.
    """
    chance = random.Random(1)
    began = time.monotonic()
    for _ in range(KILLS):
        before, least = done(), time.monotonic() + 20
        start()
        while done() == before and time.monotonic() < least:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.1, 0.4))
        kill()
    start()
    try:
        last, seen = time.monotonic(), 0
        while seen < CRASH_JOBS and time.monotonic() - last < PATIENCE_SECONDS:
            if (now := done()) > seen:
                last, seen = time.monotonic(), now
            time.sleep(0.05)
    finally:
        kill()
    return last - began


def outcome(lost: int, stuck: int, again: str, seconds: float) -> str:
    """In words."""
    end = "not all done" if lost or stuck else f"all done after {seconds:.1f} s"
    return f"{lost} lost, {stuck} stuck, {again}, {end}"
