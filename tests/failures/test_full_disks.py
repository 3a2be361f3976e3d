"""Disks that fill up, under outputs and under the store, and have room again: nothing is lost, nothing half there."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pitchey_cli import Cli
from workplace import RunningSupervisor, Workplace, wait_until

from pitchey_core.storage import Manifest, publish, to_url
from pitchey_runner.store.checking import check_store
from pitchey_runner.store.interface import AttemptOutcome, JobState, JobStore
from pitchey_runner.supervisor import settling


def fill(disk: Path) -> Path:
    """Take all the room that there is, to the last block; the file that has it."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def sizes(disk: Path) -> list[int]:
    return [each.stat().st_size for each in disk.rglob("echo.txt") if ".pitchey-staging" not in each.parts]


def test_a_job_whose_outputs_do_not_fit_tries_again_until_they_do(
    workplace: Workplace, small_disk: Path
) -> None:
    filler = fill(small_disk)
    job = replace(
        workplace.job("test-echo", text="x" * 999, repeat=600),
        output=to_url(small_disk / "out", Path("/")),
        max_attempts=30,
    )
    with workplace.store() as store:
        store.enqueue([job])
        runner = workplace.started()
        wait_until(
            lambda: sum(each.outcome is AttemptOutcome.FAILED for each in store.attempts(job.id)) >= 2,
            what="two attempts",
        )
        error = store.attempts(job.id)[0].error
        assert error is not None
        assert (error["class"], error["retryable"]) == ("OutOfSpace", True)
        assert sizes(small_disk) == []
        filler.unlink()
        assert runner.wait() == 0
        record = store.get(job.id)
    assert record is not None
    assert record.status is JobState.COMPLETED
    assert sizes(small_disk) == [600_000]
    assert sorted(each.name for each in (small_disk / "out").iterdir()) == ["echo.txt", "manifest.json"]


@pytest.mark.slow
def test_outputs_that_are_committed_wait_for_the_space_to_be_published_in(
    workplace: Workplace, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills between the commit and the first name, for longer than a worker tries at once."""
    tries: list[float] = []

    def publish_late(manifest: Manifest) -> None:
        if not tries:
            fill(small_disk)
        tries.append(time.monotonic())
        publish(manifest)

    def make_room() -> None:
        wait_until(lambda: len(tries) > 5, 60, "tries")
        seen.extend(path for path in (small_disk / "out").glob("manifest.json"))
        (small_disk / "filler").unlink()

    seen: list[Path] = []
    monkeypatch.setattr(settling, "publish", publish_late)
    helper = threading.Thread(target=make_room)
    helper.start()
    with_output, other = (
        replace(
            workplace.job("test-echo", text="here", repeat=40), output=to_url(small_disk / "out", Path("/"))
        ),
        workplace.job("test-noop"),
    )
    records, _ = workplace.drain(with_output, other)
    helper.join()
    assert [record.status for record in records] == [JobState.COMPLETED, JobState.COMPLETED]
    assert seen == []
    assert (small_disk / "out" / "echo.txt").read_text() == "here\n" * 40
    assert sorted(each.name for each in (small_disk / "out").iterdir()) == ["echo.txt", "manifest.json"]
    with workplace.store() as store:
        assert [len(store.attempts(record.id)) for record in records] == [1, 1]


@pytest.fixture
def store_disk(workplace: Workplace, small_disk: Path) -> Iterator[Path]:
    """The disk of the workplace's store."""
    workplace.store_url = f"sqlite:///{small_disk}/jobs.db"
    yield small_disk
    workplace.close()


def at_work_on_forty(workplace: Workplace, store: JobStore) -> RunningSupervisor:
    store.enqueue([workplace.job("test-sleep", seconds=0.1) for _ in range(40)])
    runner = workplace.started()
    wait_until(lambda: len(workplace.traces()) > 5, what="the first jobs")
    return runner


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", ["6m"], indirect=True)
def test_a_store_whose_disk_fills_up_goes_on_where_it_was_once_there_is_room(
    workplace: Workplace, store_disk: Path
) -> None:
    with workplace.store() as store:
        runner = at_work_on_forty(workplace, store)
        filler = fill(store_disk)
        wait_until(lambda: "the disk is full" in runner.log.read_text(), what="word of the full disk")
        time.sleep(1.0)
        filler.unlink()
        assert runner.wait() == 0, runner.log.read_text()
        assert store.counts() == {JobState.COMPLETED: 40}
        assert [record.lost_count for record in store.list(limit=100)] == [0] * 40
    assert check_store(workplace.url) == []


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", ["6m"], indirect=True)
def test_a_store_whose_disk_stays_full_ends_its_worker_and_the_next_one_finds_every_job(
    workplace: Workplace, store_disk: Path
) -> None:
    with workplace.store() as store:
        runner = at_work_on_forty(workplace, store)
        filler = fill(store_disk)
        assert runner.wait() == 1
        said = runner.log.read_text()
        assert (
            f"OutOfSpace: {store_disk}/jobs.db: the disk is full\n  → make room: df -h {store_disk}" in said
        )
        filler.unlink()
        assert workplace.started().wait() == 0
        assert store.counts() == {JobState.COMPLETED: 40}
    assert check_store(workplace.url) == []


@pytest.mark.parametrize("small_disk", ["6m"], indirect=True)
def test_the_command_line_says_that_the_stores_disk_is_full(cli: Cli, small_disk: Path) -> None:
    cli.environment["PITCHEY_STORE"] = str(small_disk / "jobs.db")
    cli.environment["PITCHEY_TIMING__STORE_WAIT"] = "1"
    before = cli("submit", "test-noop").data["job_id"]
    filler = fill(small_disk)
    for verb in (["submit", "test-say", "x" * 20_000], ["work", "--drain"]):
        ran = cli(*verb)
        assert ran.code == 1
        assert f"error: {small_disk}/jobs.db: the disk is full" in ran.err
        assert f"→ make room: df -h {small_disk}" in ran.err
        assert "defect" not in ran.err
    filler.unlink()
    assert [line["id"] for line in cli("list").lines] == [before]
    assert cli("work", "--drain").code == 0
    assert cli("status", before).data["status"] == "completed"
