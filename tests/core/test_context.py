"""What a processor may do with its job."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pitchey_core.context import JobContext
from pitchey_core.errors import Cancelled, InputError, LimitExceeded, ProcessorError, SlotCrashed, UsageError
from pitchey_core.hooks import ProcessorSpec
from pitchey_core.order import JobOrder
from pitchey_core.process import ProcessLimits
from pitchey_core.registry import Registry
from pitchey_core.resources import Limits
from pitchey_testkit.isolated import count, explode


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., JobContext]:
    def make(cancelled: Callable[[], bool] | None = None, report: Any = None, **changes: Any) -> JobContext:
        given: dict[str, Any] = {
            "job_id": "job",
            "claim_seq": 1,
            "attempt": 1,
            "spec": ProcessorSpec("test", "x:Y", "…"),
            "payload": {},
            "limits": Limits(memory_bytes=2**30, vcpus=64),
            "base_dir": tmp_path,
        }
        order = JobOrder(**{**given, **changes})
        return JobContext(order, registry=Registry, cancelled=cancelled, report=report)

    return make


def test_folders_come_into_being_on_first_use(job: Callable[..., JobContext], tmp_path: Path) -> None:
    context = job()
    assert list(tmp_path.iterdir()) == []
    assert context.workdir.is_dir()
    context.discard()
    assert not context.workdir.exists()


def test_checkpoints_outlive_the_attempt_but_not_the_version(
    job: Callable[..., JobContext], tmp_path: Path
) -> None:
    assert job().checkpoint("pages") is None
    job().checkpoint("pages", [1, {"done": True}])
    assert job(claim_seq=2, attempt=2).checkpoint("pages") == [1, {"done": True}]
    assert job(plugin_version="2").checkpoint("pages") is None
    assert [each.name for each in (tmp_path / "scratch" / "job-0").iterdir()] == ["pages.checkpoint.json"]
    with pytest.raises(ValueError):
        job().checkpoint("../pages", 1)


def test_progress_is_bounded_and_not_too_frequent(job: Callable[..., JobContext]) -> None:
    seen: list[float | None] = []
    context = job(report=lambda fraction, *_: seen.append(fraction))
    for step in range(-10, 2000):
        context.progress(step / 1000)
    context.progress(None)
    context.progress(1)
    assert len(seen) < 1200
    assert all(fraction is None or 0 <= fraction <= 1 for fraction in seen)
    assert seen[-1] == 1


def test_progress_takes_what_can_be_told_and_refuses_what_is_no_number(
    job: Callable[..., JobContext],
) -> None:
    seen: list[tuple[Any, ...]] = []
    context = job(report=lambda *told: seen.append(told))
    context.progress(1, 42, fps=25, speed=float("inf"), eta_seconds=None)  # type: ignore[arg-type]
    context.progress(0, Path("a"))  # type: ignore[arg-type]
    assert seen == [(1.0, "42", {"fps": 25.0}), (0.0, "a", {})]
    for figure in ("25/1", {}):
        with pytest.raises((TypeError, ValueError)):
            context.progress(0.5, fps=figure)
    with pytest.raises(ValueError, match="half"):
        context.progress("half")  # type: ignore[arg-type]
    assert len(seen) == 2


def test_a_cancelled_job_stops_at_progress_run_and_isolate(job: Callable[..., JobContext]) -> None:
    context = job(cancelled=lambda: True)
    for call in (context.check, lambda: context.progress(0.5), lambda: context.isolate(explode, "print")):
        with pytest.raises(Cancelled):
            call()


def test_outputs_need_a_folder(job: Callable[..., JobContext]) -> None:
    with pytest.raises(UsageError, match="output"):
        job().artifact("a.txt", "text/plain")


def test_threads_never_exceed_the_host(job: Callable[..., JobContext]) -> None:
    assert 1 <= job().threads <= len(os.sched_getaffinity(0))


def test_an_isolated_call_answers_from_another_process(
    job: Callable[..., JobContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "hush")
    answer = job().isolate(explode, "print")
    assert answer["pid"] != os.getpid()
    assert answer["secret"] is None


@pytest.mark.parametrize(
    ("kind", "error"),
    [("ours", InputError), ("theirs", ProcessorError), ("die", SlotCrashed), ("spin", LimitExceeded)],
)
def test_what_happens_in_an_isolated_call_stays_there(
    job: Callable[..., JobContext], kind: str, error: type[Exception]
) -> None:
    began = time.monotonic()
    with pytest.raises(error):
        job().isolate(explode, kind, limits=ProcessLimits(wall_seconds=2))
    assert time.monotonic() - began < 20


def test_items_of_an_isolated_generator_arrive_while_it_works(job: Callable[..., JobContext]) -> None:
    seen: list[Any] = []
    assert job().isolate(count, 3, "done", on_item=seen.append) == "done"
    assert seen == [{"number": 0}, {"number": 1}, {"number": 2}]


@pytest.mark.parametrize(
    ("then", "error"),
    [("die", SlotCrashed), ("ours", InputError), ("large", ProcessorError), ("spin", LimitExceeded)],
)
def test_what_came_before_a_crash_is_not_lost(
    job: Callable[..., JobContext], then: str, error: type[Exception]
) -> None:
    seen: list[Any] = []
    with pytest.raises(error):
        job().isolate(count, 2, then, limits=ProcessLimits(wall_seconds=2), on_item=seen.append)
    assert len(seen) == 2


def test_who_takes_items_can_end_an_isolated_call(job: Callable[..., JobContext]) -> None:
    def refuse(item: Any) -> None:
        raise InputError(f"enough at {item['number']}")

    context = job()
    with pytest.raises(InputError, match="enough at 0"):
        context.isolate(count, 5, "spin", on_item=refuse)


def test_an_isolated_call_counts_for_the_memory_of_its_job(job: Callable[..., JobContext]) -> None:
    context = job()
    assert context.isolate(explode, "linger") == "linger"
    assert context.children_peak_bytes > 0
