"""The verbs around jobs in the store."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pitchey_cli import Cli

from pitchey_runner.store import open_store
from pitchey_runner.store.interface import ClaimedJob, JobStore, WorkerInfo
from pitchey_runner.supervisor.identity import this_worker


def submit(cli: Cli, *args: str) -> str:
    ran = cli("submit", *args, "--json")
    assert ran.code == 0, ran.err
    assert list(ran.data) == ["job_id"]
    return str(ran.data["job_id"])


def _claimed(store: JobStore, worker: WorkerInfo) -> list[ClaimedJob]:
    store.promote_due()
    return store.claim(worker, "test-noop", 1)


def test_submit_work_status(cli: Cli) -> None:
    job = submit(cli, "test-say", "hi", "-o", "out", "--priority", "low")
    assert cli("status", job[:6]).data["status"] == "pending"
    ran = cli("work", "--drain", "--json")
    assert (ran.code, ran.data["job_id"], ran.data["status"]) == (0, job, "completed")
    record = cli("status", job).data
    for key in (
        "id",
        "type",
        "payload",
        "priority",
        "status",
        "created_at",
        "started_at",
        "completed_at",
        "worker_id",
    ):
        assert record[key] is not None, key
    assert (record["type"], record["retry_count"], record["result"]["status"]) == (
        "test-echo",
        0,
        "completed",
    )
    assert float(record["estimated_cost_usd"]) > 0
    (attempt,) = record["attempts"]
    assert (attempt["number"], attempt["outcome"]) == (1, "completed")
    shown = cli("status", job, "--no-json").out
    assert "echo.txt" in shown
    assert "payload.text" in shown


def test_a_reader_that_goes_stops_no_work(cli: Cli) -> None:
    for value in ("1", "2", "3"):
        submit(cli, "test-noop", "--value", value)
    worker = cli.start("work", "--drain", "--json")
    assert worker.stdout is not None
    assert worker.stderr is not None
    worker.stdout.close()
    with worker.stderr:
        said = worker.stderr.read()
    assert (worker.wait(timeout=30), said) == (0, b"")
    assert [each["status"] for each in cli("list").lines] == ["completed"] * 3


def test_a_job_that_takes_its_workers_down_is_told(cli: Cli, eventually: Callable[..., Any]) -> None:
    job = submit(cli, "test-noop")
    me = this_worker(["test-noop"], lease_seconds=30)
    dead = [replace(me, id=f"dead-{number}", pid_started=me.pid_started - 1) for number in range(3)]
    with open_store(cli.env["PITCHEY_STORE"]) as store:
        # That the third is dead, too, is for the next worker to find out.
        for each in dead:
            store.register_worker(each)
            eventually(partial(_claimed, store, each))
            if each is not dead[-1]:
                store.rescue(me, [each.id])
    ran = cli("work", "--drain", "--json")
    assert ran.code == 1
    assert (ran.data["job_id"], ran.data["error"]["class"]) == (job, "SlotCrashed")


def test_drain_does_not_wait_for_first_run_delays(cli: Cli) -> None:
    later = submit(cli, "test-noop", "--delay", "600")
    now = submit(cli, "test-noop")
    assert cli("work", "--drain").code == 0
    states = {each["id"]: each["status"] for each in cli("list").lines}
    assert states == {later: "scheduled", now: "completed"}


def test_list_filters(cli: Cli) -> None:
    for name in ("test-noop", "test-echo"):
        submit(cli, name)
    submit(cli, "test-fail", "InputError")
    assert cli("work", "--drain", "--types", "test-noop,test-fail").code == 1
    assert [each["type"] for each in cli("list").lines] == ["test-fail", "test-echo", "test-noop"]
    assert [each["type"] for each in cli("list", "--status", "pending").lines] == ["test-echo"]
    assert [each["type"] for each in cli("list", "--type", "test-say").lines] == ["test-echo"]
    assert len(cli("list", "--limit", "2", "--since", "1h").lines) == 2
    assert cli("list", "--since", "2999-01-01").lines == []
    assert cli("list", "--since", "2999-01-01", "--no-json").out == "no jobs\n"


def test_cancel_a_waiting_job_and_retry_it(cli: Cli) -> None:
    job = submit(cli, "test-noop")
    assert cli("cancel", job[:8]).lines == [{"job_id": job, "status": "cancelled"}]
    assert cli("retry", job).lines == [{"job_id": job, "status": "pending", "retried": True}]
    assert cli("work", "--drain").code == 0
    ran = cli("retry", job)
    assert (ran.code, ran.data["retried"]) == (1, False)
    assert cli("cancel", job, "--no-json").out == f"{job}  completed already\n"


def test_cancel_a_running_job(cli: Cli, eventually: Callable[..., Any]) -> None:
    trace = cli.folder / "trace"
    job = submit(cli, "test-child", "60", "--trace", str(trace))
    worker = cli.start("work", "--drain", "--json")
    eventually(trace.exists)
    assert cli("cancel", job).data["status"] == "processing"
    worker.communicate(timeout=30)
    assert cli("status", job).data["status"] == "cancelled"


def test_logs(cli: Cli) -> None:
    job = submit(cli, "test-flood", "1", "--stream", "stderr")
    ran = cli("logs", job)
    assert (ran.code, "has not run yet" in ran.err) == (2, True)
    assert cli("work", "--drain").code == 0
    ran = cli("logs", job)
    assert ran.out.count("x" * 1023) == 1024
    assert "the end" in ran.out
    assert {"attempt": 1, "line": "the end"} in cli("logs", job, "--json", "--attempt", "1").lines
    assert cli("logs", job, "--attempt", "2").code == 2


def test_attempts_before_and_after_a_retry_are_told_apart(cli: Cli) -> None:
    job = submit(cli, "test-fail", "InputError", "--message", "first words")
    cli("work", "--drain")
    assert cli("dead", "edit", job, "--set", "message=last words", "--retry").code == 0
    cli("work", "--drain")
    assert [each["number"] for each in cli("status", job).data["attempts"]] == [1, 2]
    assert "first words" in cli("logs", job, "--attempt", "1").out
    assert "last words" in cli("logs", job, "--attempt", "2").out
    assert {each["attempt"] for each in cli("logs", "-f", job, "--json").lines} == {1, 2}
    ran = cli("logs", job, "--attempt", "3")
    assert (ran.code, "it has 2" in ran.err) == (2, True)


def test_the_last_line_of_a_log_needs_no_end(cli: Cli) -> None:
    job = cli("test-fail", "InputError", "--json").data["job_id"]
    log = Path(cli("status", job).data["attempts"][0]["log_path"])
    log.write_bytes(b"whole\nhalf \xe2\x82")
    assert [each["line"] for each in cli("logs", job, "--json").lines] == ["whole", "half \ufffd"]
    assert cli("logs", "-f", job, "--json").lines[-1] == {"attempt": 1, "line": "half \ufffd"}


def test_what_a_failed_tool_has_said_is_kept(cli: Cli) -> None:
    ran = cli("test-fail", "ToolFailed", "--json")
    error = ran.data["error"]
    assert (error["class"], error["tool"], error["returncode"]) == ("ToolFailed", "sleep", 1)
    assert error["stderr_tail"] == "no"
    lines = [each["line"] for each in cli("logs", ran.data["job_id"], "--json").lines]
    assert lines[-2].endswith("what sleep wrote:")
    assert lines[-1] == "no"


def test_logs_follow_until_the_job_ends(cli: Cli, eventually: Callable[..., Any]) -> None:
    job = submit(cli, "test-fail", "RuntimeError", "--times", "1", "--message", "first words")
    follower = cli.start("logs", "-f", job)
    assert cli("work", "--drain").code == 0
    out, _ = follower.communicate(timeout=30)
    assert follower.returncode == 0
    assert b"RuntimeError: first words" in out


def test_dead_letters(cli: Cli) -> None:
    first = submit(cli, "test-fail", "InputError", "--message", "nothing to see")
    second = submit(cli, "test-fail", "LimitExceeded")
    fine = submit(cli, "test-noop")
    assert cli("work", "--drain").code == 1
    assert [each["id"] for each in cli("dead", "list").lines] == [second, first]
    shown = cli("dead", "show", first)
    assert shown.data["attempts"][0]["error"]["message"] == "nothing to see"
    assert cli("dead", "purge", fine).code == 2
    assert cli("dead", "retry", first).data == {"retried": 1}
    assert cli("dead", "purge", "--all", "--type", "test-fail").data == {"purged": 1}
    assert [each["id"] for each in cli("list").lines] == [fine, first]


def test_costs(cli: Cli) -> None:
    assert cli("cost", "--no-json").out == "nothing has cost anything yet\n"
    cli("test-echo")
    cli("test-fail", "InputError")
    rows = cli("cost").lines
    assert [each["type"] for each in rows] == ["test-echo", "test-fail"]
    assert all(float(each["cost_usd"]) > 0 and each["jobs"] == 1 for each in rows)
    (day,) = cli("cost", "--by", "day", "--since", "1d").lines
    assert (day["jobs"], day["attempts"]) == (2, 2)
    assert cli("cost", "prices").data["vcpu_second"] == "0.000020000"


def test_unknown_and_ambiguous_ids(cli: Cli) -> None:
    ids = [submit(cli, "test-noop") for _ in range(2)]
    ran = cli("status", "nope")
    assert (ran.code, "unknown job 'nope'" in ran.err) == (2, True)
    ran = cli("cancel", ids[0], "")
    assert ran.code == 2
    assert cli("status", ids[0]).data["status"] == "pending"


def test_a_worker_drains_at_the_first_signal(cli: Cli, eventually: Callable[..., Any]) -> None:
    trace = cli.folder / "trace"
    running = submit(cli, "test-sleep", "1", "--trace", str(trace))
    worker = cli.start("work", "--slots", "1", "--json")
    eventually(trace.exists)
    waiting = submit(cli, "test-noop")
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=30)
    assert worker.returncode == 130
    states = {each["id"]: each["status"] for each in cli("list").lines}
    assert states == {running: "completed", waiting: "pending"}


@pytest.mark.parametrize("verb", [["list"], ["cost"], ["dead", "list"], ["db", "status"]])
def test_reading_an_empty_store(cli: Cli, verb: list[str]) -> None:
    assert cli(*verb).code == 0
