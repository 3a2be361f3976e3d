"""A load of jobs under supervisors that something strikes again and again, and what must hold in the end.

What strikes is the test's: processes are killed, servers restarted, packets dropped, clocks changed. Whatever it is, no
job is lost, no output is published twice or seen in parts, each attempt has its row in the ledger, and nothing is left.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from workplace import RunningSupervisor, Workplace, wait_until

from pitchey_core.process import TAG_VARIABLE, processes_with_tag
from pitchey_core.storage import MANIFEST_NAME, to_url
from pitchey_runner.store.checking import check_store
from pitchey_runner.store.interface import (
    AttemptOutcome,
    CostGroup,
    JobFilter,
    JobRecord,
    JobState,
    JobStore,
    NewJob,
)

SEED = int(os.environ.get("PITCHEY_CHAOS_SEED", "0")) or random.randrange(1, 2**32)
"""Of the dice of every storm."""

SUPERVISORS = 2
POISON_LOSSES = 3
_BATCH = "storm"


def scale(name: str, small: int) -> int:
    """How much of something: ``PITCHEY_CHAOS_{name}``, else ``small``."""
    return int(os.environ.get(f"PITCHEY_CHAOS_{name}", str(small)))


@dataclass
class Reader:
    """Reads the final paths all the time, and notes what should never be seen."""

    expected: dict[Path, str] = field(default_factory=dict)
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

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Look all the time, and once more at the end."""
        done = threading.Event()

        def run() -> None:
            while not done.is_set():
                self.look()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        self.look()


@dataclass
class Storm:
    """A load and the supervisors that work on it.

    Attributes:
        options: Of the supervisors' processes; see :mod:`supervisor_process`.
    """

    place: Workplace
    store: JobStore
    rng: random.Random
    options: dict[str, Any] = field(default_factory=dict)
    reader: Reader = field(default_factory=Reader)
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
        return replace(job, max_attempts=30, batch_id=_BATCH)

    def start(self) -> None:
        self.runners.append(self.place.started(drain=False, **self.options))

    def finish(self) -> None:
        try:
            wait_until(self.is_over, 120 + len(self.jobs) / 5, "the end of all jobs")
        except AssertionError as error:
            raise AssertionError(f"{error}; left:\n{self.unfinished()}") from None
        # The last one may have been started while the others ended the last jobs; a signal that comes before it heeds
        # signals would simply kill it.
        wait_until(lambda: all(map(_heeds_sigterm, self.runners)), 60, "the start of the last worker")
        for runner in self.runners:
            runner.signal(signal.SIGTERM)
        for runner in self.runners:
            code = runner.wait()
            assert code == 0, f"exit status {code}\n{runner.log.read_text()}"

    def unfinished(self) -> str:
        records = [record for job in self.jobs if (record := self.store.get(job.id)) is not None]
        return "\n".join(_told(self.store, each) for each in records if not each.status.finished)

    def is_over(self) -> bool:
        return sum(
            n for state, n in self.store.counts(JobFilter(batch_id=_BATCH)).items() if state.finished
        ) == len(self.jobs)


def ride_out(
    place: Workplace,
    strike: Callable[[Storm], str],
    *,
    jobs: int,
    strikes: int,
    pause: tuple[float, float],
    **options: Any,
) -> None:
    """Let supervisors work on ``jobs`` jobs, strike so many times, and see that all is well in the end.

    Args:
        strike: Does it, and says what it was.
        pause: Seconds, at least and at most, between two strikes.
        options: Of the supervisors' processes; see :mod:`supervisor_process`.
    """
    print(f"PITCHEY_CHAOS_SEED={SEED}")
    rng = random.Random(SEED)
    with place.store() as store:
        storm = Storm(place, store, rng, options)
        struck: Counter[str] = Counter()
        with storm.reader.reading():
            storm.enqueue(jobs // 4)
            for _ in range(SUPERVISORS):
                storm.start()
            # One that starts while its store is away says so and ends.
            wait_until(lambda: len(store.workers()) == SUPERVISORS, 60, "the start of the supervisors")
            for number in range(strikes):
                time.sleep(rng.uniform(*pause))
                struck[strike(storm)] += 1
                storm.enqueue((jobs - jobs // 4) * (number + 1) // strikes + jobs // 4 - len(storm.jobs))
            storm.finish()
        records = [record for job in storm.jobs if (record := store.get(job.id)) is not None]
        poisoned = [record for record in records if record.lost_count >= POISON_LOSSES]
        lost = sum(record.lost_count for record in records)
        print(
            f"{len(records)} jobs, struck: {dict(struck)}, attempts lost with their supervisor: {lost},"
            f" given up after {POISON_LOSSES} losses: {len(poisoned)}"
        )
        assert len(records) == len(storm.jobs) == jobs
        assert storm.reader.wrong == []
        for record in records:
            _check_end(store, record)
        _check_outputs(storm.reader, records)
        _check_ledger(store)
    assert check_store(place.url) == []
    if tag := os.environ.get(TAG_VARIABLE):
        assert processes_with_tag(tag) == []
    _check_leftovers(place)


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


def _check_ledger(store: JobStore) -> None:
    records = store.list(limit=1_000_000)
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


def _heeds_sigterm(runner: RunningSupervisor) -> bool:
    status = Path(f"/proc/{runner.process.pid}/status").read_text("ascii", "replace")
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
