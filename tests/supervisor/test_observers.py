"""Observers of plugins: what they are told, and that none of them can stop the work."""

from __future__ import annotations

import json
import logging

import observing_plugin
import pytest
from supervised import drain
from workplace import Workplace, wait_until

from pitchey_core.registry import PluginInfo, Registry
from pitchey_runner.store.interface import Budget, BudgetPeriod, BudgetScope, JobState
from pitchey_runner.supervisor import observing


@pytest.fixture
def observed(workplace: Workplace) -> Workplace:
    observing_plugin.SEEN.clear()
    observing_plugin.DAWDLED.clear()
    workplace.registry = Registry.load()
    workplace.registry.register(observing_plugin, PluginInfo("observing", "observing_plugin", None, None))
    return workplace


def _told(kind: str) -> list[dict[str, object]]:
    return [each for each in observing_plugin.SEEN if each["kind"] == kind]


def test_an_observer_is_told_everything_as_json(observed: Workplace) -> None:
    hog = observed.job("test-hog", mib=16, seconds=0.3)
    failing = observed.job("test-fail", error="TransientError", times=1)
    records, _ = observed.drain(hog, failing)
    assert [record.status for record in records] == [JobState.COMPLETED] * 2
    json.dumps(observing_plugin.SEEN)
    started = [each for each in _told("JobStarted") if each["job_id"] == failing.id]
    assert [each["attempt"] for each in started] == [1, 2]
    assert any(each["job_id"] == hog.id and each["fraction"] == 0.0 for each in _told("JobProgress"))
    ends = [each for each in _told("JobSettled") if each["job_id"] == failing.id]
    assert [(each["outcome"], each["state"]) for each in ends] == [
        ("failed", "scheduled"),
        ("completed", "completed"),
    ]
    assert ends[0]["error"]["class"] == "TransientError"  # type: ignore[index]
    assert ends[1]["usage"]["wall_us"] > 0  # type: ignore[index]
    assert ends[1]["cost_nanos"] == records[1].cost_nanos - ends[0]["cost_nanos"]  # type: ignore[operator]


def test_an_observer_is_told_what_others_do_with_jobs(observed: Workplace) -> None:
    long = observed.job("test-sleep", seconds=1.5)
    late = observed.job("test-noop")

    def submit_and_cancel(event: object) -> None:
        if type(event).__name__ == "JobStarted" and event.job_id == long.id:  # type: ignore[attr-defined]
            with observed.store() as other:
                other.enqueue([late])
                other.cancel([late.id])

    with observed.store() as store:
        store.enqueue([long])
        drain(observed, store, submit_and_cancel)
    changes = [(each["change"], each["state"]) for each in _told("JobChanged") if each["job_id"] == late.id]
    assert changes == [("enqueued", "pending"), ("cancelled", "cancelled")]
    seqs = [each["seq"] for each in _told("JobChanged")]
    assert seqs == sorted(seqs)


def test_an_observer_is_told_when_a_budget_is_used_up(observed: Workplace) -> None:
    with observed.store() as store:
        store.set_budget(Budget(BudgetScope.ALL, "*", BudgetPeriod.TOTAL, limit_nanos=1))
    observed.drain(observed.job("test-noop"))
    assert [each["threshold"] for each in _told("BudgetEvent")] == [50, 80, 100]


def test_slow_and_broken_observers_hold_nothing_up(
    observed: Workplace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(observing, "_MOST_WAITING", 4)
    monkeypatch.setattr(observing, "_GOODBYE_SECONDS", 0.2)
    caplog.set_level(logging.WARNING)
    records, _ = observed.drain(*(observed.job("test-noop", value=number) for number in range(12)))
    assert [record.status for record in records] == [JobState.COMPLETED] * 12
    wait_until(lambda: "observer dawdle is too slow" in caplog.text)
    assert "observer fail failed" in caplog.text
    assert len(observing_plugin.DAWDLED) < 12
    # One observer's changes of an event are not seen by the others.
    assert all("kind" in each for each in observing_plugin.SEEN)
