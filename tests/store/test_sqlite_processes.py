"""Several processes on one store: killed in mid-write, or all writing at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from pitchey_runner.store import open_store
from pitchey_runner.store.records import AttemptOutcome, JobState

_PROGRAM = Path(__file__).with_name("store_process.py")


def _start(store: Path, name: str, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, _PROGRAM, store, name, str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_kill_in_mid_write_loses_nothing_that_was_promised(empty_store: Path) -> None:
    promised: Counter[str] = Counter()
    finished: set[str] = set()
    for number in range(6):
        process = _start(empty_store, f"w{number}", 60)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05 + 0.013 * number)
        process.kill()
        lines, errors = process.communicate()
        assert errors == ""
        for line in lines.splitlines():
            kind, *ids = line.split()
            promised[kind] += len(ids)
            finished.update(ids if kind == "settled" else ())
    assert promised["settled"] > 0

    with closing(sqlite3.connect(empty_store)) as sql:
        assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert sql.execute("PRAGMA foreign_key_check").fetchall() == []
    with open_store(str(empty_store)) as store:
        jobs = {record.id: record for record in store.list(limit=1_000_000)}
        assert len(jobs) >= promised["enqueued"]
        assert {jobs[job_id].status for job_id in finished} == {JobState.COMPLETED}
        for record in jobs.values():
            kinds = [event.kind for event in store.events(job_id=record.id)]
            done = record.status is JobState.COMPLETED
            assert kinds == ["enqueued", "claimed", "completed"][: 3 if done else len(kinds)]
            outcomes = [attempt.outcome for attempt in store.attempts(record.id)]
            assert outcomes == [AttemptOutcome.COMPLETED if done else None] * (len(kinds) > 1)
            assert record.cost_nanos == 7 * done


@pytest.mark.slow
def test_eight_writers_never_find_the_database_locked(empty_store: Path) -> None:
    processes = [_start(empty_store, f"w{number}", 3.0) for number in range(8)]
    answers = [process.communicate() for process in processes]
    assert [errors for _, errors in answers] == [""] * 8
    assert [process.returncode for process in processes] == [0] * 8
    words = [line.split() for output, _ in answers for line in output.splitlines()]
    claimed = [job_id for kind, *ids in words if kind == "claimed" for job_id in ids]
    slowest = max(float(rest[0]) for kind, *rest in words if kind == "slowest")
    assert len(claimed) == len(set(claimed)) > 0
    assert slowest < 5, "nobody starves behind the others"
    with open_store(str(empty_store)) as store:
        assert store.counts().get(JobState.COMPLETED) == len(claimed)
        assert store.counts().get(JobState.PROCESSING) is None
