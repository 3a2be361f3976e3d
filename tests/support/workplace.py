"""A store, a data folder and a supervisor over them, for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from pitchey_core.host import Host
from pitchey_core.process import descendants, processes_with_tag, read_process, tree
from pitchey_core.registry import Registry
from pitchey_runner.store import open_store
from pitchey_runner.store.interface import JobRecord, JobStore, NewJob
from pitchey_runner.supervisor import Event, Supervisor


def wait_until(condition: Callable[[], Any], seconds: float = 20.0, what: str = "it") -> Any:
    """Poll until ``condition`` is true, and return what it returned."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not happen within {seconds} s")


@dataclass
class Workplace:
    """Everything of one test under one folder."""

    root: Path
    registry: Registry
    timing: dict[str, float]
    runners: list[RunningSupervisor] = field(default_factory=list)
    store_url: str | None = None

    @property
    def url(self) -> str:
        return self.store_url or f"sqlite:///{self.root}/jobs.db"

    @property
    def data_dir(self) -> Path:
        return self.root / "data"

    @property
    def trace(self) -> Path:
        return self.root / "trace.jsonl"

    @property
    def overrides(self) -> dict[str, Any]:
        return {"store": self.url, "data_dir": str(self.data_dir), "timing": self.timing}

    @property
    def host(self) -> Host:
        return Host.from_settings(self.registry, **self.overrides)

    @contextmanager
    def store(self) -> Iterator[JobStore]:
        with open_store(self.url) as store:
            yield store

    def job(self, job_type: str, /, **payload: Any) -> NewJob:
        return NewJob(job_type, {"trace": str(self.trace), **payload}, instance_type="lite", max_attempts=3)

    def drain(self, *jobs: NewJob, **options: Any) -> tuple[list[JobRecord], list[Event]]:
        """Enqueue jobs, work until nothing is left to do, and return their records and all events."""
        events: list[Event] = []
        with self.store() as store:
            ids = [each for each in store.enqueue(jobs) if each is not None]
            supervisor = Supervisor(store, self.host, watcher=events.append, backoff_base=0.05, **options)

            async def main() -> None:
                await supervisor.run(drain=True)

            anyio.run(main)
            return [record for job_id in ids if (record := store.get(job_id)) is not None], events

    def traces(self) -> list[dict[str, Any]]:
        """The starts of attempts, in order."""
        if not self.trace.exists():
            return []
        return [json.loads(line) for line in self.trace.read_text().splitlines()]

    def started(self, *, crash: str = "", **options: Any) -> RunningSupervisor:
        """A draining supervisor in a process of its own; see :mod:`supervisor_process`."""
        command = [sys.executable, str(Path(__file__).with_name("supervisor_process.py"))]
        config = {"overrides": self.overrides, "crash": crash, **options}
        log = self.root / "supervisor.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [*command, json.dumps(config)], stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
        running = RunningSupervisor(process, log)
        self.runners.append(running)
        return running

    def close(self) -> None:
        """Kill what a failed test has left running."""
        for runner in self.runners:
            if runner.process.poll() is None:
                runner.kill()


@dataclass
class RunningSupervisor:
    process: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def wait(self, seconds: float = 60.0) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            # It writes into its log what its threads are doing.
            self.signal(signal.SIGUSR1)
            time.sleep(1.0)
            self.kill()
            raise AssertionError(f"the supervisor is still there:\n{self.log.read_text()}") from None


def alive(worker_id: str) -> list[int]:
    """Live processes of a worker's slots."""
    return processes_with_tag(worker_id)


def exists(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def pids_are_gone(pids: list[int]) -> bool:
    return not any(exists(pid) for pid in pids)


def descendants_of(pid: int) -> list[int]:
    """Every process below ``pid``."""
    return [each for each in descendants(pid) if exists(each) and each != os.getpid()]


def children_of(pid: int) -> list[int]:
    """The live processes whose parent is ``pid``."""
    return [each.pid for each in tree(pid) if each.ppid == pid and each.alive]


def parent_of(pid: int) -> int:
    """The parent of a process."""
    entry = read_process(pid)
    assert entry is not None
    return entry.ppid
