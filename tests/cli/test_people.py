"""The verbs that show how things stand: queues, workers, why, watch, top as JSON."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from typing import Any

from pitchey_cli import Cli
from terminal import Terminal

import pitchey_runner
from pitchey_runner.store import open_store
from pitchey_runner.supervisor.identity import this_worker


def submit(cli: Cli, *args: str) -> str:
    ran = cli("submit", *args, "--json")
    assert ran.code == 0, ran.err
    return str(ran.data["job_id"])


def reasons(cli: Cli, job: str) -> list[str]:
    return [each["kind"] for each in cli("why", job).data["reasons"]]


def test_queues_are_paused_limited_and_listed(cli: Cli) -> None:
    submit(cli, "test-noop")
    ran = cli("queues", "pause", "test-noop", "--json")
    assert ran.data == {"name": "test-noop", "paused": True, "changed": True}
    assert cli("queues", "pause", "test-noop", "--json").data["changed"] is False
    ran = cli("queues", "set", "test-noop", "--max-running", "2", "--rate", "10/60", "--json")
    (queue,) = [each for each in ran.lines if each["name"] == "test-noop"]
    assert (queue["paused"], queue["waiting"], queue["max_running"]) == (True, 1, 2)
    assert queue["rate"] == {"count": 10, "seconds": 60.0}
    ran = cli("queues", "set", "test-noop", "--rate", "none", "--json")
    (queue,) = [each for each in ran.lines if each["name"] == "test-noop"]
    assert (queue["rate"], queue["max_running"]) == (None, 2)
    assert cli("work", "--drain", "--json").out == ""
    assert cli("queues", "resume", "test-noop", "--no-json").out == "test-noop  open\n"
    assert cli("work", "--drain", "--json").data["status"] == "completed"
    shown = cli("queues", "--no-json").out
    assert "test-noop" in shown
    assert "open" in shown


def on_a_screen(cli: Cli, *args: str) -> str:
    """What 80 columns show of a command."""
    command = cli.command(*args)
    terminal = Terminal(command, cwd=cli.folder, env=cli.env, columns=80, lines=60)
    try:
        assert terminal.ended() == 0, terminal.text
        return terminal.text
    finally:
        terminal.close()


def test_tables_fit_a_narrow_terminal_without_broken_words(cli: Cli) -> None:
    job = submit(cli, "test-fail", "InputError", "--message", "a reason that is longer than any column " * 2)
    cli("work", "--drain")
    cli("queues", "set", "test-noop", "--max-running", "2", "--rate", "10/60")
    listed = on_a_screen(cli, "list")
    (row,) = [line.split() for line in listed.splitlines() if line.startswith(job[:8])]
    assert row[:3] == [job[:8], "test-fail", "failed"]
    assert "InputError: a reason that is longer than any column" in listed
    tried = on_a_screen(cli, "status", job)
    assert "InputError: a reason that is longer than any column" in tried.partition("outcome")[2]
    headers = {"queue", "status", "waiting", "later", "running", "failed", "min", "rate", "slots"}
    assert headers <= set(on_a_screen(cli, "queues").split())


def test_all_queues_can_be_paused_at_once(cli: Cli) -> None:
    job = submit(cli, "test-noop")
    assert cli("queues", "pause", "*", "--no-json").out == "all queues  paused\n"
    assert cli("why", job).data["reasons"][0]["remedy"] == "pitchey-run queues resume '*'"
    assert {each["paused"] for each in cli("queues", "list", "--json").lines} == {True}
    cli("queues", "resume", "*")
    assert cli("work", "--drain", "--json").data["status"] == "completed"


def test_wrong_queues_and_limits_are_refused(cli: Cli) -> None:
    ran = cli("queues", "pause", "test-nop", "--no-json")
    assert (ran.code, "did you mean 'test-noop'" in ran.err) == (2, True)
    assert cli("queues", "set", "test-noop").code == 2
    assert cli("queues", "set", "test-noop", "--max-running", "0").code == 2
    assert cli("queues", "set", "test-noop", "--rate", "fast").code == 2


def test_why_tells_every_reason_and_when_it_may_begin(cli: Cli) -> None:
    first = submit(cli, "test-noop")
    second = submit(cli, "test-noop", "--depends-on", first)
    late = submit(cli, "test-noop", "--delay", "3600")
    assert reasons(cli, first) == ["no_worker", "position"]
    data = cli("why", second[:8]).data
    assert (data["status"], data["reasons"][0]["name"]) == ("blocked", first)
    assert data["reasons"][0]["remedy"] == f"pitchey-run why {first}"
    assert data["eta_seconds"] is None
    data = cli("why", late).data
    assert [each["kind"] for each in data["reasons"]] == ["delay"]
    assert 3500 < data["eta_seconds"] <= 3600
    cli("queues", "pause", "test-noop")
    shown = cli("why", first, "--no-json").out
    assert "queue test-noop is paused\n  → pitchey-run queues resume test-noop" in shown
    cli("queues", "resume", "test-noop")
    assert cli("work", "--drain").code == 0
    data = cli("why", first).data
    assert (data["status"], data["reasons"], data["eta_seconds"] is None) == ("completed", [], False)
    assert "does not wait: it is completed" in cli("why", first, "--no-json").out
    assert cli("why", "zzz").code == 2


def test_why_reckons_with_the_line_and_what_such_jobs_took(cli: Cli) -> None:
    for _ in range(2):
        submit(cli, "test-sleep", "0.6")
    assert cli("work", "--drain").code == 0
    jobs = [submit(cli, "test-sleep", "0.6") for _ in range(9)]
    with open_store(cli.env["PITCHEY_STORE"]) as store:
        store.register_worker(this_worker(["test-sleep"], lease_seconds=30))
        data = cli("why", jobs[-1]).data
    # Eight before it, four at a time, 0.6 s each.
    assert [each["kind"] for each in data["reasons"]] == ["position"]
    assert data["reasons"][0]["message"] == "8 jobs stand before it in line"
    assert 1.1 < data["eta_seconds"] < 6


def test_workers_are_listed_with_what_they_hold(cli: Cli, eventually: Callable[..., Any]) -> None:
    assert "nobody works" in cli("workers", "--no-json").out
    submit(cli, "test-sleep", "60")
    cli.environment["PITCHEY_TIMING__BEAT"] = "0.2"
    cli.start("work", "--types", "test-sleep")
    busy = eventually(lambda: [each for each in cli("workers").lines if each["status"] == "busy"])
    assert (busy[0]["types"], busy[0]["active_jobs_count"]) == (["test-sleep"], 1)
    loaded = eventually(lambda: [e for e in cli("workers").lines if e["memory_usage_percent"] is not None])
    assert 0 < loaded[0]["memory_usage_percent"] < 100
    assert 0 <= loaded[0]["cpu_usage_percent"] <= 100
    assert "busy" in cli("workers", "--no-json").out


def test_watch_follows_jobs_to_their_end(cli: Cli, eventually: Callable[..., Any]) -> None:
    good, bad = submit(cli, "test-noop"), submit(cli, "test-fail", "InputError")
    watching = cli.start("watch", good, bad, "--json")
    assert watching.stdout is not None
    assert [json.loads(watching.stdout.readline())["kind"] for _ in range(2)] == ["state", "state"]
    assert cli("work", "--drain").code == 1
    out, err = watching.communicate(timeout=30)
    lines = [json.loads(line) for line in out.splitlines()]
    kinds = {(each["job_id"], each["kind"]) for each in lines}
    assert {(good, "claimed"), (good, "completed"), (bad, "claimed"), (bad, "failed")} <= kinds
    assert (watching.returncode, err) == (1, b"")
    ran = cli("watch", good[:8], "--no-json")
    assert (ran.code, f"{good[:8]} test-noop is completed" in ran.out) == (0, True)
    assert cli("watch", bad, "--no-json").code == 1


def test_watch_follows_a_batch_and_its_progress(cli: Cli) -> None:
    with pitchey_runner.open(cli.env["PITCHEY_STORE"]) as jobs:
        jobs.submit("test-hog", mib=16, seconds=1.5, batch="nightly")
        jobs.submit("test-noop")
        watching = cli.start("watch", "--batch", "nightly", "--json")
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["type"] == "test-hog"
        jobs.submit("test-echo", output=cli.folder / "out", batch="nightly")
    cli.environment["PITCHEY_TIMING__BEAT"] = "0.1"
    assert cli("work", "--drain").code == 0
    out, _ = watching.communicate(timeout=30)
    lines = [json.loads(line) for line in out.splitlines()]
    assert watching.returncode == 0
    assert {each["type"] for each in lines} == {"test-hog", "test-echo"}
    assert [each for each in lines if each["kind"] == "progress" and each["message"] == "0 MiB"]
    assert cli("watch", "--batch", "no-such-batch").code == 2
    assert cli("watch", "x", "--batch", "y").code == 2


def test_watch_ends_quietly_on_ctrl_c_and_when_its_reader_goes(cli: Cli) -> None:
    job = submit(cli, "test-noop")
    watching = cli.start("watch", "--json")
    time.sleep(1.0)
    second = submit(cli, "test-noop")
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["job_id"] == second
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=30)
    assert (watching.returncode, err.strip()) == (130, b"interrupted")
    watching = cli.start("watch", job, "--json")
    assert watching.stdout is not None
    assert watching.stderr is not None
    watching.stdout.readline()
    watching.stdout.close()
    cli("work", "--drain")
    with watching.stderr:
        assert watching.stderr.read() == b""
    assert watching.wait(timeout=30) == 1


def test_top_prints_one_picture_or_one_object(cli: Cli) -> None:
    submit(cli, "test-noop")
    submit(cli, "test-noop", "--delay", "60")
    ran = cli("top", "--once", "--json")
    (queue,) = [each for each in ran.data["queues"] if each["name"] == "test-noop"]
    assert (queue["waiting"], queue["later"], queue["running"]) == (1, 1, 0)
    assert ran.data["host"]["memory_total"] > 0
    assert (ran.data["running"], ran.data["cost_usd_today"]) == ([], "0.000000000")
    cli("work", "--drain")
    data = cli("top", "--once", "--json").data
    (queue,) = [each for each in data["queues"] if each["name"] == "test-noop"]
    assert (queue["waiting"], queue["per_minute"]) == (0, 0.2)
    assert float(data["cost_usd_today"]) > 0
    shown = cli("top", "--once", "--no-json").out
    assert "cpu" in shown
    assert "test-noop" in shown
    assert "no job is running" in shown
    ran = cli("top", "--no-json")
    assert (ran.code, "--once" in ran.err) == (2, True)


def test_top_as_json_goes_on_until_interrupted(cli: Cli) -> None:
    top = cli.start("top", "--json", "--every", "0.2")
    assert top.stdout is not None
    first, second = (json.loads(top.stdout.readline()) for _ in range(2))
    assert first["at"] < second["at"]
    top.send_signal(signal.SIGINT)
    _, err = top.communicate(timeout=30)
    assert (top.returncode, err.strip()) == (130, b"interrupted")
