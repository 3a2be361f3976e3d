"""Jobs from a program: submit, wait, results, many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from workplace import wait_until

from pitchey_core.errors import Cancelled, InputError, StoreError, UnknownName, UsageError
from pitchey_runner import Jobs, JobState, Progress
from pitchey_runner.library.results import UntypedFacts
from pitchey_testkit.quiet import EchoFacts


def test_a_job_from_submit_to_result(jobs: Jobs, tmp_path: Path) -> None:
    with jobs.work():
        job = jobs.submit("test-say", text="hello", output=tmp_path / "out", priority="high")
        result = job.wait(30)
    assert job.status is JobState.COMPLETED
    assert job.progress == Progress(1.0, None)
    assert job.record.type == "test-echo"
    assert result == job.result
    assert isinstance(result.facts, EchoFacts)
    (artifact,) = result.artifacts
    assert (tmp_path / "out" / artifact.name).read_text() == "hello\n"
    assert result.cost_nanos > 0
    assert jobs.get(job.id) == job
    assert "completed" in job._repr_html_()


def test_what_is_wrong_is_said_at_submit(jobs: Jobs) -> None:
    with pytest.raises(UnknownName, match="unknown processor"):
        jobs.submit("test-ecko", text="hello")
    with pytest.raises(UsageError):
        jobs.submit("test-echo", txet="hello")
    with pytest.raises(UnknownName, match="unknown job"):
        jobs.get("nobody")
    with pytest.raises(UnknownName, match=r"priority 'hihg'(.|\n)*'high'"):
        jobs.submit("test-noop", priority="hihg")
    with pytest.raises(UnknownName, match="priority 'hihg'"):
        next(jobs.map("test-noop", [{}], priority="hihg"))
    with pytest.raises(UnknownName, match=r"state 'complete'(.|\n)*'completed'"):
        jobs.list(status="complete")
    for key in ("", "a\0b", "\udc80"):
        with pytest.raises(UsageError, match="unique"):
            jobs.submit("test-noop", unique=key)
        with pytest.raises(UsageError, match="batch"):
            jobs.submit("test-noop", batch=key)
    with pytest.raises(UsageError, match="slots"):
        jobs.drain(slots=0)
    assert jobs.list() == []


def test_the_error_of_a_job_is_raised_where_it_is_waited_for(jobs: Jobs) -> None:
    with jobs.work():
        job = jobs.submit("test-fail", error="InputError", message="no good")
        with pytest.raises(InputError, match="no good"):
            job.wait(30)
        result = job.wait(30, check=False)
    assert isinstance(result.error, InputError)
    assert (result.status, job.status) == ("failed", JobState.FAILED)


def test_a_wait_can_end_before_the_job(jobs: Jobs) -> None:
    job = jobs.submit("test-noop")
    with pytest.raises(TimeoutError, match=rf"job {job.id} has not finished within 0\.1 s"):
        job.wait(0.1)
    assert job.result is None
    assert job.cancel() is JobState.CANCELLED
    with pytest.raises(Cancelled):
        job.wait(10)
    assert job.retry() is JobState.PENDING
    assert jobs.drain() == {JobState.COMPLETED: 1}
    assert job.wait(10).status == "completed"


def test_a_running_job_shows_its_progress_and_can_be_cancelled(jobs: Jobs) -> None:
    with jobs.work():
        # Reports that follow each other closely are not all sent; this makes one.
        job = jobs.submit("test-hog", mib=16, seconds=60)
        wait_until(lambda: job.progress.fraction is not None)
        assert job.progress.message == "0 MiB"
        assert "processing 0% 0 MiB" in job._repr_html_()
        job.cancel()
        with pytest.raises(Cancelled):
            job.wait(20)
    assert job.status is JobState.CANCELLED


def test_results_come_in_the_order_of_the_payloads(jobs: Jobs, tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(12)]
    with jobs.work():
        results = list(
            jobs.map(
                "test-echo",
                ({"text": text} for text in texts),
                output=lambda payload: tmp_path / str(payload["text"]),
                max_in_flight=4,
            )
        )
    written = [Path(each.artifacts[0].uri.removeprefix("file://").replace("%20", " ")) for each in results]
    assert [path.read_text().strip() for path in written] == texts
    assert len({job.record.batch_id for job in jobs.list()}) == 1


def test_no_more_jobs_are_in_flight_than_allowed(jobs: Jobs) -> None:
    taken: list[int] = []

    def payloads() -> object:
        for number in range(100):
            taken.append(number)
            yield {"value": number}

    with jobs.work():
        results = jobs.map("test-noop", payloads(), max_in_flight=8)  # type: ignore[arg-type]
        next(results)
        assert len(taken) <= 8
        results.close()  # type: ignore[attr-defined]
    states = {job.status for job in jobs.list()}
    assert states <= {JobState.COMPLETED, JobState.CANCELLED}
    with pytest.raises(UsageError, match="max_in_flight"):
        next(jobs.map("test-noop", [{}], max_in_flight=0))


def test_a_failure_ends_a_map_and_cancels_what_is_left(jobs: Jobs) -> None:
    payloads = [{"error": "InputError"}, *({"error": "InputError", "message": "later"} for _ in range(20))]
    with jobs.work(slots=1), pytest.raises(InputError, match="told to fail"):
        list(jobs.map("test-fail", payloads))
    assert JobState.PENDING not in {job.status for job in jobs.list()}
    with jobs.work():
        errors = [each.error for each in jobs.map("test-fail", payloads[:2], check=False)]
    assert [type(error) for error in errors] == [InputError] * 2


def test_jobs_are_given_out_as_they_finish(jobs: Jobs) -> None:
    with jobs.work(slots=2):
        slow = jobs.submit("test-sleep", seconds=1.5)
        quick = jobs.submit("test-noop")
        assert list(jobs.as_completed([slow, quick], timeout=30)) == [quick, slow]


def test_jobs_are_listed_by_state_and_type(jobs: Jobs) -> None:
    first, second = jobs.submit("test-noop", batch="b"), jobs.submit("test-sleep", delay=60)
    assert jobs.list() == [second, first]
    assert jobs.list(status="scheduled") == [second]
    assert jobs.list(type="test-noop", status=["pending", JobState.SCHEDULED]) == [first]
    assert jobs.list(batch="b") == [first]
    with pytest.raises(UnknownName):
        jobs.list(type="test-nope")


def test_another_process_wakes_those_who_wait(jobs: Jobs, open_jobs: Callable[[], Jobs]) -> None:
    job = jobs.submit("test-noop")
    done: list[str] = []
    thread = threading.Thread(target=lambda: done.append(job.wait(30).status))
    thread.start()
    with open_jobs() as others:
        assert others.drain() == {JobState.COMPLETED: 1}
    thread.join(10)
    assert done == ["completed"]


def test_a_job_that_is_purged_is_waited_for_no_longer(jobs: Jobs) -> None:
    job = jobs.submit("test-noop")
    purging = threading.Timer(0.3, lambda: (job.cancel(), jobs.store.purge([job.id])))
    purging.start()
    with pytest.raises((UnknownName, Cancelled)):
        job.wait(20)
    # Who waits may hear of the cancellation before the job is gone.
    purging.join()
    with pytest.raises(UnknownName, match="purged"):
        job.wait(20)


def test_who_waits_learns_that_the_worker_has_failed(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(jobs.store, "register_worker", refuse)
    job = jobs.submit("test-noop")
    with pytest.raises(StoreError, match="the disk is gone"), jobs.work():
        job.wait(20)


def test_facts_of_an_unknown_processor_come_as_they_are(jobs: Jobs) -> None:
    from dataclasses import replace

    from pitchey_runner.library.results import typed_result

    jobs.submit("test-noop", value=7)
    jobs.drain()
    (job,) = jobs.list()
    facts = typed_result(jobs.registry, replace(job.record, type="gone")).facts
    assert isinstance(facts, UntypedFacts)
    assert facts.model_dump()["attempt"] == 1
