"""kill -9, and what is left of it: nothing at once, everything after a restart."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import anyio
import pytest
from troubled_store import TroubledStore
from workplace import Workplace, descendants_of, parent_of, pids_are_gone, wait_until

from pitchey_core.errors import StoreError
from pitchey_core.storage import to_url
from pitchey_runner.store.checking import check_store
from pitchey_runner.store.interface import Attempt, AttemptOutcome, CostGroup, JobState, JobStore, NewJob
from pitchey_runner.supervisor import Supervisor
from pitchey_runner.supervisor.identity import this_worker
from pitchey_runner.supervisor.rescue import rescue


def test_everything_of_a_killed_runner_dies_within_two_seconds_without_a_restart(
    workplace: Workplace,
) -> None:
    pid_file = workplace.root / "daemon.pid"
    with workplace.store() as store:
        store.enqueue(
            [
                workplace.job("test-child", seconds=600),
                workplace.job("test-daemon", pid_file=str(pid_file), wait=600),
                workplace.job("test-spin", deaf=True),
            ]
        )
    runner = workplace.started()
    wait_until(lambda: len(workplace.traces()) == 3 and pid_file.exists(), what="the start of the jobs")
    below = wait_until(
        lambda: len(found := descendants_of(runner.process.pid)) >= 7 and found, what="their processes"
    )
    assert isinstance(below, list)
    pids = [*below, int(pid_file.read_text())]
    runner.process.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    runner.process.wait()
    wait_until(lambda: pids_are_gone(pids), 10, "the death of every process")
    assert time.monotonic() - killed < 2.0


def test_a_killed_runners_jobs_complete_after_a_restart_before_their_lease_ends(workplace: Workplace) -> None:
    # Whoever waits for that has to wait for an hour.
    workplace.timing["lease"] = 3600.0
    out = workplace.root / "out"
    job = replace(workplace.job("test-sleep", seconds=3.0, output=True), output=to_url(out, Path("/")))
    with workplace.store() as store:
        store.enqueue([job])
        runner = workplace.started()
        wait_until(
            lambda: store.attempts(job.id) and store.attempts(job.id)[0].usage, what="a heartbeat with usage"
        )
    runner.kill()
    assert not (out / "slept.txt").exists()
    assert workplace.started().wait() == 0
    with workplace.store() as store:
        record = store.get(job.id)
        attempts = store.attempts(job.id)
    assert record is not None
    assert record.status is JobState.COMPLETED
    assert [attempt.outcome for attempt in attempts] == [AttemptOutcome.LOST, AttemptOutcome.COMPLETED]
    assert attempts[0].usage is not None
    assert not attempts[0].usage.complete
    assert attempts[0].cost_nanos > 0
    assert (out / "slept.txt").read_text() == "3.0\n"
    assert sorted(each.name for each in out.iterdir()) == ["manifest.json", "slept.txt"]


def started_of(jobs: list[NewJob], workplace: Workplace) -> set[str]:
    return {trace["job_id"] for trace in workplace.traces()} & {job.id for job in jobs}


def test_what_only_waited_behind_a_killed_job_has_lost_nothing(workplace: Workplace) -> None:
    quick = [workplace.job("test-sleep", seconds=0.0) for _ in range(300)]
    slow = [workplace.job("test-sleep", seconds=600.0) for _ in range(20)]
    with workplace.store() as store:
        # Learning that these are quick, the runner hands them to its slots by the dozen, slow ones among them.
        store.enqueue([*quick[:100], *slow, *quick[100:]])
        runner = workplace.started()
        wait_until(lambda: started_of(slow, workplace), what="the start of a slow one")
        time.sleep(1.0)
        running = started_of(slow, workplace)
        runner.kill()
        rescue(store, this_worker(["test-sleep"], lease_seconds=30.0), workplace.host)
        records = store.list(limit=1000)
    assert {record.id for record in records if record.lost_count} == running
    waiting = [record for record in records if record.status is JobState.PENDING]
    assert len(waiting) > 10
    assert {record.retry_count for record in waiting} == {0}
    assert not any((workplace.data_dir / "slots").iterdir())


def test_a_job_that_kills_three_runners_is_not_given_a_fourth(workplace: Workplace) -> None:
    work = workplace.data_dir / "work"
    with workplace.store() as store:
        (job_id,) = store.enqueue([workplace.job("test-child", seconds=600)])
    assert job_id is not None
    for attempt in range(1, 4):
        runner = workplace.started()
        wait_until(lambda n=attempt: len(workplace.traces()) == n, what=f"attempt {attempt}")
        wait_until(lambda n=attempt: (work / f"{job_id}.{n}").exists(), what="its folder")
        runner.kill()
    assert workplace.started().wait() == 0
    with workplace.store() as store:
        record = store.get(job_id)
    assert record is not None
    assert record.status is JobState.FAILED
    assert record.lost_count == 3
    # It never runs again, so nobody else would remove what its attempts have left.
    assert list(work.iterdir()) == []


def test_what_a_lost_attempt_has_left_is_gone_with_its_rescue(workplace: Workplace) -> None:
    """Whatever becomes of the job: here it is cancelled before it runs again."""
    with workplace.store() as store:
        (job_id,) = store.enqueue([workplace.job("test-child", seconds=600)])
        assert job_id is not None
        runner = workplace.started()
        folder = workplace.data_dir / "work" / f"{job_id}.1"
        wait_until(folder.exists, what="the start of the job")
        runner.kill()
        rescue(store, this_worker(["test-child"], lease_seconds=30.0), workplace.host)
        assert not folder.exists()
        assert store.cancel([job_id]) == [JobState.CANCELLED]


def test_sigterm_drains_and_a_second_one_gives_the_job_back(workplace: Workplace) -> None:
    with workplace.store() as store:
        first, _ = store.enqueue([workplace.job("test-sleep", seconds=1.0), workplace.job("test-noop")])
    runner = workplace.started(drain=False)
    wait_until(workplace.traces, what="the start of a job")
    runner.signal(signal.SIGTERM)
    assert runner.wait() == 0
    with workplace.store() as store:
        assert first is not None
        record = store.get(first)
        assert record is not None
        assert record.status is JobState.COMPLETED

        (long,) = store.enqueue([workplace.job("test-child", seconds=600)])
    seen = len(workplace.traces())
    runner = workplace.started(drain=False)
    wait_until(
        lambda: len(workplace.traces()) > seen and workplace.traces()[-1]["job_id"] == long,
        what="the long job",
    )
    below = descendants_of(runner.process.pid)
    runner.signal(signal.SIGTERM)
    time.sleep(0.5)
    assert runner.process.poll() is None
    runner.signal(signal.SIGTERM)
    assert runner.wait(15) == 0
    wait_until(lambda: pids_are_gone(below), what="the death of its processes")
    with workplace.store() as store:
        assert long is not None
        record = store.get(long)
        assert record is not None
        assert (record.status, record.lost_count, record.retry_count) == (JobState.PENDING, 0, 0)


def crash_and_restart(
    workplace: Workplace, job: NewJob, point: str, target: Path, whole: str
) -> list[Attempt]:
    """Crash at a point while a reader polls the final path, start again, and see that all is well; the attempts."""
    with workplace.store() as store:
        store.enqueue([job])
    runner = workplace.started(crash=point)

    def look() -> bool:
        if target.exists():
            assert target.read_text() == whole
        elif seen:
            raise AssertionError("it was there before")
        else:
            return runner.process.poll() is not None
        seen.append(target.stat().st_ino)
        return runner.process.poll() is not None

    seen: list[int] = []
    wait_until(look, 30, "the crash")
    assert runner.process.returncode == -signal.SIGKILL, runner.log.read_text()
    runner = workplace.started()
    wait_until(look, 30, "the second runner's end")
    assert runner.process.returncode == 0, runner.log.read_text()
    assert len(set(seen)) == 1, "it was published once"
    with workplace.store() as store:
        record = store.get(job.id)
        attempts = store.attempts(job.id)
        completions = [event for event in store.events(job_id=job.id) if event.state is JobState.COMPLETED]
        assert store.workers() == []
        settled = [attempt for attempt in attempts if attempt.outcome is not AttemptOutcome.RELEASED]
        assert sum(row.attempts for row in store.costs(CostGroup.TYPE)) == len(settled)
    assert record is not None
    assert record.status is JobState.COMPLETED
    assert len(completions) == 1
    assert target.read_text() == whole
    out = workplace.root / "out"
    names = {each.relative_to(out).as_posix() for each in out.rglob("*") if each.is_file()}
    assert names == {target.relative_to(out).as_posix(), "manifest.json"}
    assert not (out / ".pitchey-staging").exists()
    assert list((workplace.data_dir / "work").glob("*")) == []
    assert check_store(workplace.url) == []
    return attempts


_POINTS = [
    f"{when}:{what}"
    for what in (
        "register_worker",
        "rescue",
        "promote_due",
        "claim",
        "commit_manifests",
        "link",
        "replace",
        "settle",
        "remove_worker",
    )
    for when in ("before", "after")
]


@pytest.mark.parametrize("point", _POINTS)
def test_at_every_crash_point_a_reader_sees_the_whole_output_or_none(
    workplace: Workplace, point: str
) -> None:
    out = workplace.root / "out"
    job = replace(workplace.job("test-echo", text="x" * 5000, repeat=200), output=to_url(out, Path("/")))
    whole = ("x" * 5000 + "\n") * 200
    attempts = crash_and_restart(workplace, job, point, out / "echo.txt", whole)
    # Once the manifest is committed the job is not run again, only published.
    runs_twice = point in {"after:claim", "before:commit_manifests"}
    assert len(attempts) == (2 if runs_twice else 1)
    assert all(attempt.cost_nanos > 0 for attempt in attempts if attempt.outcome is AttemptOutcome.COMPLETED)


# What the system is asked for on the way from a committed manifest to the published whole, in a new folder.
_CALLS = [
    *("mkdir:1", "link:1", "fsync:1", "fsync:2", "fsync:3", "replace:1", "fsync:4"),
    *("unlink:1", "rmdir:1", "rmdir:2"),
]
_CALLS_OVER = ["replace:1", "replace:2", "rmdir:1"]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("call", "overwrite"), [*((each, False) for each in _CALLS), *((each, True) for each in _CALLS_OVER)]
)
def test_at_every_system_call_of_publication_a_reader_sees_the_whole_output_or_none(
    workplace: Workplace, when: str, call: str, overwrite: bool
) -> None:
    out = workplace.root / "out"
    job = workplace.job("test-echo", text="x" * 5000, repeat=200, name="sub/echo.txt")
    job = replace(job, output=to_url(out, Path("/")), overwrite=overwrite)
    whole = ("x" * 5000 + "\n") * 200
    attempts = crash_and_restart(workplace, job, f"{when}:{call}", out / "sub" / "echo.txt", whole)
    assert [attempt.outcome for attempt in attempts] == [AttemptOutcome.COMPLETED]


@pytest.mark.parametrize("point", ["before:beat", "after:beat"])
def test_a_crash_at_a_heartbeat_costs_the_attempt_and_nothing_else(workplace: Workplace, point: str) -> None:
    out = workplace.root / "out"
    job = workplace.job("test-sleep", seconds=3.0, output=True)
    job = replace(job, output=to_url(out, Path("/")))
    attempts = crash_and_restart(workplace, job, point, out / "slept.txt", "3.0\n")
    assert [attempt.outcome for attempt in attempts] == [AttemptOutcome.LOST, AttemptOutcome.COMPLETED]


def test_a_killed_warden_takes_its_slot_with_it_and_the_job_runs_again(workplace: Workplace) -> None:
    pid_file = workplace.root / "daemon.pid"
    with workplace.store() as store:
        (job_id,) = store.enqueue([workplace.job("test-daemon", pid_file=str(pid_file), wait=3)])
    runner = workplace.started()
    wait_until(lambda: workplace.traces() and pid_file.exists(), what="the start of the job")
    worker = workplace.traces()[0]["pid"]
    daemon = int(pid_file.read_text())
    os.kill(parent_of(worker), signal.SIGKILL)
    wait_until(lambda: pids_are_gone([worker, daemon]), 3, "the death of the slot's processes")
    assert runner.wait() == 0
    with workplace.store() as store:
        assert job_id is not None
        attempts = store.attempts(job_id)
    assert [attempt.outcome for attempt in attempts] == [AttemptOutcome.FAILED, AttemptOutcome.COMPLETED]


@pytest.mark.parametrize(
    "method",
    [
        "wait_for_change",
        "promote_due",
        "ready",
        "claim",
        "beat",
        "cancellations",
        "commit_manifests",
        "settle",
        "list",
    ],
)
def test_passing_trouble_with_the_store_loses_nothing(workplace: Workplace, method: str) -> None:
    out = workplace.root / "out"
    job = replace(workplace.job("test-sleep", seconds=1.2, output=True), output=to_url(out, Path("/")))
    with workplace.store() as store:
        store.enqueue([job])
        troubled = TroubledStore(store, method, 2, lambda: StoreError("the disk of the store is not there"))
        supervisor = Supervisor(cast("JobStore", troubled), workplace.host)

        async def main() -> None:
            await supervisor.run(drain=True)

        anyio.run(main)
        record = store.get(job.id)
        assert record is not None
        assert record.status is JobState.COMPLETED
        assert len(store.attempts(job.id)) == 1
    assert troubled.left == 0
    assert (out / "slept.txt").exists()
