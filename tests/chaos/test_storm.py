"""Supervisors and slots are killed at random while they work, and started again: nothing is lost or published twice.

Small by default. At full scale, on request::

    PITCHEY_CHAOS_JOBS=2000 PITCHEY_CHAOS_KILLS=500 pytest tests/chaos -k storm -s
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from workplace import RunningSupervisor, Workplace, children_of, wait_until

from pitchey_core.process import TAG_VARIABLE, processes_with_tag
from pitchey_core.storage import MANIFEST_NAME, to_url
from pitchey_runner.store.interface import (
    AttemptOutcome,
    CostGroup,
    JobRecord,
    JobState,
    JobStore,
    NewJob,
)

JOBS = int(os.environ.get("PITCHEY_CHAOS_JOBS", "150"))
KILLS = int(os.environ.get("PITCHEY_CHAOS_KILLS", "25"))
SEED = int(os.environ.get("PITCHEY_CHAOS_SEED", "0")) or random.randrange(1, 2**32)
SUPERVISORS = 2
POISON_LOSSES = 3


@dataclass
class Reader:
    """Reads the final paths all the time, and notes what should never be seen."""

    expected: dict[Path, str]
    seen: dict[Path, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def look(self) -> None:
        for path, text in list(self.expected.items()):
            try:
                with path.open() as file:
                    inode, found = os.fstat(file.fileno()).st_ino, file.read()
            except FileNotFoundError:
                if path in self.seen:
                    self.wrong.append(f"{path} is gone again")
                continue
            if found != text:
                self.wrong.append(f"{path} holds {found!r}")
            if self.seen.setdefault(path, inode) != inode:
                self.wrong.append(f"{path} was published twice")

    def run(self, done: threading.Event) -> None:
        while not done.is_set():
            self.look()


@dataclass
class Storm:
    """A load, the supervisors that work on it, and what kills them."""

    place: Workplace
    store: JobStore
    rng: random.Random
    reader: Reader = field(default_factory=lambda: Reader({}))
    jobs: list[NewJob] = field(default_factory=list)
    runners: list[RunningSupervisor] = field(default_factory=list)

    def enqueue(self, number: int) -> None:
        fresh = [self.job(len(self.jobs) + n) for n in range(number)]
        self.store.enqueue(fresh)
        self.jobs += fresh

    def job(self, number: int) -> NewJob:
        make = self.place.job
        kind = self.rng.choices(["noop", "echo", "sleep", "child", "fail"], [50, 25, 10, 10, 5])[0]
        if kind == "echo":
            folder = self.place.root / "out" / str(number)
            self.reader.expected[folder / "echo.txt"] = f"job {number}\n"
            job = replace(make("test-echo", text=f"job {number}"), output=to_url(folder, Path("/")))
        elif kind == "sleep":
            job = make("test-sleep", seconds=self.rng.uniform(0.01, 0.1))
        elif kind == "child":
            job = make("test-child", seconds=0.05)
        elif kind == "fail":
            job = make("test-fail", error="InputError")
        else:
            job = make("test-noop", value=number)
        return replace(job, max_attempts=30)

    def start(self) -> None:
        self.runners.append(self.place.started(drain=False))

    def kill_somebody(self) -> str:
        runner = self.rng.choice(self.runners)
        slots = [pid for each in self.runners for pid in _slots_of(each)]
        if slots and self.rng.random() < 0.6:
            victim = self.rng.choice(slots)
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                return "nobody"
            return "slot"
        assert runner.process.poll() is None, f"it ended by itself:\n{runner.log.read_text()}"
        runner.kill()
        self.runners.remove(runner)
        self.start()
        return "supervisor"

    def finish(self) -> None:
        try:
            wait_until(self.is_over, 120, "the end of all jobs")
        except AssertionError as error:
            raise AssertionError(f"{error}; left:\n{self.unfinished()}") from None
        for runner in self.runners:
            runner.signal(signal.SIGTERM)
        for runner in self.runners:
            assert runner.wait() == 0, runner.log.read_text()

    def unfinished(self) -> str:
        records = [record for job in self.jobs if (record := self.store.get(job.id)) is not None]
        return "\n".join(_told(self.store, each) for each in records if not each.status.finished)

    def is_over(self) -> bool:
        return sum(n for state, n in self.store.counts().items() if state.finished) == len(self.jobs)


def _slots_of(runner: RunningSupervisor) -> list[int]:
    """Its wardens, and the processes that they have forked for jobs.

    Not what a job has forked, even before it has become another program: a job whose program was killed has failed.
    """
    wardens = [pid for pid in children_of(runner.process.pid) if _is_warden(pid)]
    return [*wardens, *(pid for warden in wardens for pid in children_of(warden) if _is_warden(pid))]


def _is_warden(pid: int) -> bool:
    try:
        return b"pitchey_core.slots.warden" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.fixture(params=["sqlite", "postgres"])
def stormy(request: pytest.FixtureRequest, workplace: Workplace) -> Iterator[Workplace]:
    """A workplace over a store of each kind."""
    if request.param == "sqlite":
        yield workplace
        return
    server = PostgresServer()
    try:
        workplace.store_url = server.url()
        yield workplace
        workplace.close()
    finally:
        server.remove()


@pytest.mark.slow
@pytest.mark.timeout(0 if KILLS > 100 else 300)
def test_a_storm_of_kills_loses_nothing_and_publishes_nothing_twice(
    stormy: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"PITCHEY_CHAOS_SEED={SEED}")
    tag = f"storm-{os.getpid()}-{SEED}"
    monkeypatch.setenv(TAG_VARIABLE, tag)
    rng = random.Random(SEED)
    with stormy.store() as store:
        storm = Storm(stormy, store, rng)
        done = threading.Event()
        reading = threading.Thread(target=storm.reader.run, args=(done,))
        reading.start()
        killed: Counter[str] = Counter()
        try:
            storm.enqueue(JOBS // 4)
            for _ in range(SUPERVISORS):
                storm.start()
            for number in range(KILLS):
                time.sleep(rng.uniform(0.1, 0.8))
                killed[storm.kill_somebody()] += 1
                storm.enqueue((JOBS - JOBS // 4) * (number + 1) // KILLS + JOBS // 4 - len(storm.jobs))
            storm.finish()
        finally:
            done.set()
            reading.join()
        storm.reader.look()
        records = [record for job in storm.jobs if (record := store.get(job.id)) is not None]
        poisoned = [record for record in records if record.lost_count >= POISON_LOSSES]
        print(
            f"{len(records)} jobs, killed: {dict(killed)}, given up after {POISON_LOSSES} losses: {len(poisoned)}"
        )
        assert len(records) == len(storm.jobs) == JOBS
        assert storm.reader.wrong == []
        for record in records:
            _check_end(store, record)
        _check_outputs(storm.reader, records)
        _check_ledger(store, records)
    assert processes_with_tag(tag) == []
    _check_leftovers(stormy)


def _told(store: JobStore, record: JobRecord) -> str:
    """A job with all its attempts, for a message of a failed test."""
    return "\n    ".join(map(str, [record, *store.attempts(record.id)]))


def _check_end(store: JobStore, record: JobRecord) -> None:
    if record.lost_count >= POISON_LOSSES:
        assert record.status is JobState.FAILED, _told(store, record)
        assert "not run again" in (record.error or {})["message"]
    elif record.type == "test-fail":
        assert record.status is JobState.FAILED
    else:
        assert record.status is JobState.COMPLETED, _told(store, record)


def _check_outputs(reader: Reader, records: list[JobRecord]) -> None:
    completed = {
        Path(record.output.removeprefix("file://")) / "echo.txt"
        for record in records
        if record.output is not None and record.status is JobState.COMPLETED
    }
    assert set(reader.seen) == completed
    for path in completed:
        assert sorted(each.name for each in path.parent.iterdir()) == ["echo.txt", MANIFEST_NAME]


def _check_ledger(store: JobStore, records: list[JobRecord]) -> None:
    attempts = [attempt for record in records for attempt in store.attempts(record.id)]
    assert all(attempt.outcome is not None for attempt in attempts)
    settled = [attempt for attempt in attempts if attempt.outcome is not AttemptOutcome.RELEASED]
    costs = store.costs(CostGroup.TYPE)
    assert sum(row.attempts for row in costs) == len(settled)
    assert sum(row.cost_nanos for row in costs) == sum(attempt.cost_nanos for attempt in settled)
    assert sum(record.cost_nanos for record in records) == sum(attempt.cost_nanos for attempt in settled)


def _check_leftovers(workplace: Workplace) -> None:
    for name in ("work", "slots", "scratch"):
        folder = workplace.data_dir / name
        assert not folder.exists() or list(folder.iterdir()) == [], name
    assert list((workplace.root / "out").rglob(".pitchey*")) == []
