"""Plugins that crash, spin, hog or fork lose their own slot and nothing else."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace, exists, wait_until

from pitchey_runner.store.interface import JobState

pytestmark = pytest.mark.usefixtures("workplace")


@pytest.mark.parametrize("how", ["segfault", "abort", "exit", "real-time"])
def test_a_crash_fails_the_job_with_its_signal_and_spares_the_others(workplace: Workplace, how: str) -> None:
    bad = replace(workplace.job("test-crash", how=how), max_attempts=1)
    good = [workplace.job("test-noop", value=n) for n in range(5)]
    records, _ = workplace.drain(bad, *good)
    assert records[0].status is JobState.FAILED
    assert records[0].error is not None
    assert records[0].error["class"] == "SlotCrashed"
    assert {record.status for record in records[1:]} == {JobState.COMPLETED}


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("computed-facts", "not what MischiefFacts reads: double"),
        ("unread-partial-facts", "not what MischiefFacts reads: pages"),
    ],
)
def test_facts_that_nobody_can_read_fail_their_job_alone(workplace: Workplace, what: str, says: str) -> None:
    bad = replace(workplace.job("test-mischief", what=what), max_attempts=1)
    records, _ = workplace.drain(bad, workplace.job("test-sleep", seconds=1.0))
    assert [record.status for record in records] == [JobState.FAILED, JobState.COMPLETED]
    assert [record.lost_count for record in records] == [0, 0]
    assert records[0].error is not None
    assert records[0].error["class"] == "ProcessorError"
    assert says in records[0].error["message"]


def test_an_output_folder_that_cannot_exist_fails_its_job_alone(workplace: Workplace) -> None:
    bad = replace(workplace.job("test-echo"), output=(workplace.root / ("n" * 300)).as_uri())
    records, _ = workplace.drain(bad, workplace.job("test-sleep", seconds=1.0))
    assert [record.status for record in records] == [JobState.FAILED, JobState.COMPLETED]
    assert records[0].error is not None
    assert (records[0].error["class"], records[0].retry_count) == ("InputError", 0)


def test_a_daemon_with_its_own_session_does_not_survive_its_job(workplace: Workplace) -> None:
    pid_file = workplace.root / "daemon.pid"
    (record,), _ = workplace.drain(workplace.job("test-daemon", pid_file=str(pid_file)))
    assert record.status is JobState.COMPLETED
    assert not exists(int(pid_file.read_text()))


@pytest.mark.parametrize(
    ("job_type", "payload"),
    [
        ("test-sleep", {"seconds": 600}),
        ("test-async", {"seconds": 600}),
        ("test-child", {"seconds": 600}),
        ("test-spin", {}),
        ("test-spin", {"deaf": True}),
    ],
)
def test_cancelling_a_running_job_kills_its_tree(
    workplace: Workplace, job_type: str, payload: dict[str, Any]
) -> None:
    job = workplace.job(job_type, **payload)
    cancelled_at: list[float] = []

    def cancel() -> None:
        wait_until(workplace.traces, what="the start")
        time.sleep(0.2)
        with workplace.store() as store:
            cancelled_at.append(time.monotonic())
            store.cancel([job.id])

    canceller = threading.Thread(target=cancel)
    canceller.start()
    (record,), _ = workplace.drain(job)
    canceller.join()
    assert record.status is JobState.CANCELLED
    assert record.retry_count == 0
    # The grace time is half a second here.
    assert time.monotonic() - cancelled_at[0] < 5
    assert not exists(workplace.traces()[0]["pid"])
    assert not list(Path(workplace.data_dir).glob("work/*"))


def test_a_full_data_disk_fails_the_job_with_a_clear_error(workplace: Workplace, small_disk: Path) -> None:
    from pitchey_core.storage import to_url

    job = replace(
        workplace.job("test-echo", text="x" * 9000, repeat=900), output=to_url(small_disk / "out", Path("/"))
    )
    (record,), _ = workplace.drain(replace(job, max_attempts=1))
    assert record.status is JobState.FAILED
    assert record.error is not None
    assert record.error["class"] == "OutOfSpace"
    assert not list(small_disk.rglob("*.txt"))
