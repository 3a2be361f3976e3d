"""SIGSTOP for longer than the lease: another runner takes over, and the first finds its lease gone."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from workplace import Workplace, descendants_of, pids_are_gone, wait_until

from pitchey_core.storage import to_url
from pitchey_runner.store.checking import check_store
from pitchey_runner.store.interface import AttemptOutcome, JobState


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, workplace: Workplace) -> Workplace:
    """A workplace over a store of each kind, where leases are short."""
    workplace.timing = {"beat": 0.3, "lease": 1.5, "cancel_poll": 0.05, "kill_grace": 0.5}
    if request.param == "postgres":
        workplace.store_url = request.getfixturevalue("database")
    return workplace


def test_a_stopped_runner_loses_its_job_and_publishes_nothing_of_it(shared: Workplace) -> None:
    out = shared.root / "out"
    job = replace(shared.job("test-sleep", seconds=4.0, output=True), output=to_url(out, Path("/")))
    with shared.store() as store:
        store.enqueue([job])
    stopped = shared.started()
    wait_until(shared.traces, what="the start of the job")
    below = descendants_of(stopped.process.pid)
    stopped.signal(signal.SIGSTOP)
    # The warden keeps the lease although its supervisor cannot.
    wait_until(lambda: pids_are_gone([shared.traces()[0]["pid"]]), what="the warden's kill")
    assert shared.started().wait() == 0
    published = (out / "slept.txt").stat()
    stopped.signal(signal.SIGCONT)
    assert stopped.wait(30) == 0
    wait_until(lambda: pids_are_gone(below), what="the death of the stopped runner's processes")
    with shared.store() as store:
        record = store.get(job.id)
        attempts = store.attempts(job.id)
    assert record is not None
    assert record.status is JobState.COMPLETED
    assert [attempt.outcome for attempt in attempts] == [AttemptOutcome.LOST, AttemptOutcome.COMPLETED]
    assert (out / "slept.txt").stat().st_mtime_ns == published.st_mtime_ns
    assert sorted(each.name for each in out.iterdir()) == ["manifest.json", "slept.txt"]
    assert check_store(shared.url) == []
