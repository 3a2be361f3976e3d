"""What becomes of jobs: completed, retried, dead, cancelled; in batches, by priority, within limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from workplace import Workplace

from pitchey_core.host import Host
from pitchey_core.storage import to_url
from pitchey_runner.store.interface import AttemptOutcome, JobState, Priority
from pitchey_runner.supervisor import Event, JobProgress, JobSettled, JobStarted, Supervisor


def test_a_job_is_done_published_priced_and_told(workplace: Workplace) -> None:
    out = workplace.root / "out"
    job = replace(workplace.job("test-echo", text="hi"), output=to_url(out, Path("/")))
    (record,), events = workplace.drain(job)
    assert record.status is JobState.COMPLETED
    assert (out / "echo.txt").read_text() == "hi\n"
    assert record.result is not None
    assert record.result["artifacts"][0]["name"] == "echo.txt"
    assert record.cost_nanos > 0
    assert record.result["usage"]["cpu_us"] > 0
    assert record.result["usage"]["peak_memory_bytes"] > 1024**2
    assert [type(event) for event in events if not isinstance(event, JobProgress)] == [JobStarted, JobSettled]
    assert not list(workplace.data_dir.glob("work/*"))
    assert sorted(each.name for each in out.iterdir()) == ["echo.txt", "manifest.json"]


def test_a_warm_slot_serves_job_after_job(workplace: Workplace) -> None:
    records, _ = workplace.drain(*[workplace.job("test-noop", value=n) for n in range(30)], max_slots=1)
    assert {record.status for record in records} == {JobState.COMPLETED}
    assert [record.result["facts"]["value"] for record in records if record.result] == list(range(30))
    assert len({trace["pid"] for trace in workplace.traces()}) == 1


def test_a_crash_among_short_jobs_that_were_claimed_together_hurts_nobody(workplace: Workplace) -> None:
    trace = str(workplace.trace)
    jobs = [workplace.job("test-mischief", what="chdir", trace=trace) for _ in range(300)]
    bad = replace(workplace.job("test-mischief", what="close-fds", trace=trace), max_attempts=1)
    jobs.insert(200, bad)
    records, _ = workplace.drain(*jobs, max_slots=1)
    assert len(records) == 301
    assert {record.id: record.status for record in records if record.status is not JobState.COMPLETED} == {
        bad.id: JobState.FAILED
    }
    # Nobody ran twice, although the process died under a lane of them.
    assert sorted(each["job_id"] for each in workplace.traces()) == sorted(job.id for job in jobs)
    with workplace.store() as store:
        attempts = [store.attempts(job.id) for job in jobs]
    assert [len(each) for each in attempts] == [1] * 301


def test_a_retryable_error_is_retried_until_attempts_are_used_up(workplace: Workplace) -> None:
    (record,), events = workplace.drain(workplace.job("test-fail"))
    assert record.status is JobState.FAILED
    assert record.retry_count == 2
    assert [event.state for event in events if isinstance(event, JobSettled)] == [
        JobState.SCHEDULED,
        JobState.SCHEDULED,
        JobState.FAILED,
    ]
    with workplace.store() as store:
        attempts = store.attempts(record.id)
    assert [attempt.outcome for attempt in attempts] == [AttemptOutcome.FAILED] * 3
    assert all(attempt.error and attempt.error["class"] == "ProcessorError" for attempt in attempts)
    assert record.cost_nanos == sum(attempt.cost_nanos for attempt in attempts)
    log = attempts[0].log_path
    assert log is not None
    assert "told to fail" in Path(log).read_text()


def test_a_permanent_error_fails_at_once(workplace: Workplace) -> None:
    (record,), _ = workplace.drain(workplace.job("test-copy", input_url="file:///nowhere/at/all.bin"))
    assert record.status is JobState.FAILED
    assert record.retry_count == 0
    assert record.error is not None
    assert record.error["class"] == "InputError"


def test_an_unknown_processor_stays_in_line_for_a_worker_that_has_it(workplace: Workplace) -> None:
    (record,), _ = workplace.drain(workplace.job("no-such-thing"))
    assert record.status is JobState.PENDING


def test_high_priority_goes_first(workplace: Workplace) -> None:
    low = [replace(workplace.job("test-noop", value=n), priority=Priority.LOW) for n in range(3)]
    high = replace(workplace.job("test-noop", value=99), priority=Priority.HIGH)
    records, _ = workplace.drain(*low, high, max_slots=1)
    assert workplace.traces()[0]["job_id"] == records[-1].id


def test_small_jobs_do_not_keep_a_large_one_from_its_turn(workplace: Workplace) -> None:
    # Four of the small ones fill it, and so does a large one, for which room is kept at once.
    host = Host.from_settings(
        workplace.registry,
        **workplace.overrides,
        host={"vcpus": 2, "cpu_overcommit": 1, "backfill_wait": 0},
        processors={"test-sleep": {"instance_type": "standard-2"}},
    )
    large = workplace.job("test-sleep", seconds=0)
    large = replace(large, priority=Priority.HIGH, instance_type="standard-2")

    def watch(event: Event) -> None:
        if isinstance(event, JobSettled) and store.get(large.id) is None:
            store.enqueue([large])

    with workplace.store() as store:
        supervisor = Supervisor(store, host, watcher=watch)
        store.enqueue([workplace.job("test-async", seconds=0.1) for _ in range(40)])

        async def main() -> None:
            await supervisor.run(drain=True)

        anyio.run(main)
    order = [trace["job_id"] for trace in workplace.traces()]
    assert len(order) == 41
    # What was claimed by then goes before it.
    assert order.index(large.id) < 25


def test_a_batch_processor_gets_one_call_and_each_job_its_own_end(workplace: Workplace) -> None:
    jobs = [workplace.job("test-batch", value=n, fail=n == 1) for n in range(4)]
    records, _ = workplace.drain(*jobs, max_slots=1)
    assert [record.status for record in records] == [
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.COMPLETED,
        JobState.COMPLETED,
    ]
    facts = [
        record.result["facts"] for record in records if record.result and record.status is JobState.COMPLETED
    ]
    assert {each["size"] for each in facts} == {4}


def test_the_members_of_a_crashed_batch_run_again_alone(workplace: Workplace) -> None:
    out = workplace.root / "out"
    jobs = [
        replace(
            workplace.job("test-batch", value=n, crash=n == 1, output=True),
            output=to_url(out / str(n), Path("/")),
        )
        for n in range(3)
    ]
    records, _ = workplace.drain(*jobs, max_slots=1)
    assert [record.error for record in records] == [None, None, None]
    assert [(out / str(n) / "batch.txt").read_text() for n in range(3)] == ["0\n", "1\n", "2\n"]
    assert {record.retry_count for record in records} == {0}
    assert {record.result["facts"]["size"] for record in records if record.result} == {1}


def test_a_member_that_hangs_takes_no_other_with_it(workplace: Workplace) -> None:
    limit = 2.0
    jobs = [
        replace(workplace.job("test-batch", value=n, seconds=600 * (n == 1)), wall_limit=limit)
        for n in range(3)
    ]
    records, _ = workplace.drain(*jobs, max_slots=1)
    assert [record.status for record in records] == [JobState.COMPLETED, JobState.FAILED, JobState.COMPLETED]
    assert records[1].error is not None
    assert (records[1].error["class"], records[1].error["limit"]) == ("LimitExceeded", "wall")
    wall = [record.result["usage"]["wall_us"] / 1e6 for record in records if record.result]
    # Each pays a third of the call that was killed, and all of its own.
    assert wall[0] >= limit / 3
    assert wall[2] >= limit / 3
    assert wall[1] >= limit * 4 / 3
    assert sum(wall) < 3 * limit
    assert {record.retry_count for record in records} == {0}


def test_async_processors_work(workplace: Workplace) -> None:
    (record,), _ = workplace.drain(workplace.job("test-async", seconds=0.05))
    assert record.status is JobState.COMPLETED


def test_the_wall_limit_ends_a_job_and_is_not_retried(workplace: Workplace) -> None:
    (record,), _ = workplace.drain(replace(workplace.job("test-spin", deaf=True), wall_limit=0.5))
    assert record.status is JobState.FAILED
    assert record.retry_count == 0
    assert record.error is not None
    assert (record.error["class"], record.error["limit"]) == ("LimitExceeded", "wall")


def test_the_memory_limit_ends_a_job_after_one_try_with_more(workplace: Workplace) -> None:
    (record,), _ = workplace.drain(workplace.job("test-hog", mib=4000, seconds=5))
    assert record.status is JobState.FAILED
    assert record.retry_count == 1
    assert record.error is not None
    assert (record.error["class"], record.error["limit"]) == ("LimitExceeded", "memory")


def test_outputs_that_exist_are_left_alone(workplace: Workplace) -> None:
    out = workplace.root / "out"
    out.mkdir()
    (out / "echo.txt").write_text("precious")
    (record,), _ = workplace.drain(replace(workplace.job("test-echo"), output=to_url(out, Path("/"))))
    assert record.status is JobState.FAILED
    assert record.error is not None
    assert record.error["class"] == "OutputExists"
    assert (out / "echo.txt").read_text() == "precious"
    assert [each.name for each in out.iterdir()] == ["echo.txt"]


def test_slots_that_are_idle_for_long_are_closed_while_others_work(workplace: Workplace) -> None:
    host = Host.from_settings(
        workplace.registry, **workplace.overrides, host={"vcpus": 8}, slots={"idle_seconds": 0.1}
    )
    idle: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, JobProgress):
            idle.append(supervisor._pool.idle.get("test-async", 0))

    with workplace.store() as store:
        supervisor = Supervisor(store, host, watcher=watch)
        store.enqueue([workplace.job("test-async", seconds=0.3) for _ in range(3)])
        store.enqueue([workplace.job("test-sleep", seconds=4)])

        async def main() -> None:
            await supervisor.run(drain=True)

        anyio.run(main)
        assert store.counts() == {JobState.COMPLETED: 4}
    # The least that its queue keeps is one.
    assert max(idle) > 1
    assert idle[-1] == 1


@pytest.mark.parametrize("stream", ["stdout", "both"])
def test_a_flood_of_output_goes_to_the_log(workplace: Workplace, stream: str) -> None:
    (record,), _ = workplace.drain(workplace.job("test-flood", mib=8, stream=stream))
    assert record.status is JobState.COMPLETED
    with workplace.store() as store:
        (attempt,) = store.attempts(record.id)
    assert attempt.log_path is not None
    assert Path(attempt.log_path).stat().st_size >= 8 * 1024**2
    assert Path(attempt.log_path).read_bytes().rstrip().endswith(b"the end")


def test_an_idle_slot_lingers_for_a_fuller_batch(workplace: Workplace) -> None:
    """Three jobs that come one after another are done in one call when the queue may wait for them."""
    host = Host.from_settings(
        workplace.registry, **workplace.overrides, queues={"test-batch": {"linger": 1.0, "batch_size": 3}}
    )
    with workplace.store() as store:
        supervisor = Supervisor(store, host, types=["test-batch"], max_slots=1)

        async def main() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(supervisor.run)
                ids = []
                for value in range(3):
                    ids += store.enqueue([workplace.job("test-batch", value=value)])
                    await anyio.sleep(0.1)
                while store.counts().get(JobState.COMPLETED, 0) < 3:  # noqa: ASYNC110 - another thread of work
                    await anyio.sleep(0.05)
                supervisor.stop()

        anyio.run(main)
        sizes = [record.result["facts"]["size"] for record in store.list() if record.result]
    assert sizes == [3, 3, 3]
