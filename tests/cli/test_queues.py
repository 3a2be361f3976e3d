"""The verbs about lines, clocks and money."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pitchey_cli import Cli


def submit(cli: Cli, *args: str) -> str:
    ran = cli("submit", *args, "--json")
    assert ran.code == 0, ran.err
    return str(ran.data["job_id"])


def states(cli: Cli) -> dict[str, str]:
    return {each["id"]: each["status"] for each in cli("list").lines}


def test_a_unique_job_is_put_in_once(cli: Cli) -> None:
    first = submit(cli, "test-noop", "--unique", "sweep")
    again = cli("submit", "test-noop", "--unique", "sweep", "--json")
    assert (again.code, again.data) == (0, {"job_id": first, "created": False})
    assert submit(cli, "test-noop", "--unique", "other", "--unique-for", "60") != first
    wrong = cli("submit", "test-noop", "--unique-for", "60")
    assert (wrong.code, "--unique" in wrong.err) == (2, True)


def test_jobs_run_after_those_that_they_depend_on(cli: Cli) -> None:
    parent = submit(cli, "test-fail", "InputError")
    child = submit(cli, "test-noop", "--depends-on", parent[:8])
    stubborn = submit(cli, "test-noop", "--depends-on", f"{parent}:run")
    patient = submit(cli, "test-noop", "--depends-on", f"{parent}:hold", "--depends-on", stubborn)
    assert set(states(cli).values()) == {"pending", "blocked"}
    assert cli("work", "--drain").code == 1
    assert states(cli) == {parent: "failed", child: "cancelled", stubborn: "completed", patient: "blocked"}
    assert parent in cli("status", child).data["error"]["message"]
    wrong = cli("submit", "test-noop", "--depends-on", f"{parent}:perhaps")
    assert (wrong.code, "hold" in wrong.err) == (2, True)
    assert cli("submit", "test-noop", "--depends-on", "nobody").code == 2
    edited = cli(
        "dead", "edit", parent, "--set", "times=0", "--set", "error=OutOfSpace", "--retries", "1", "--retry"
    )
    assert (edited.code, edited.data["status"], edited.data["max_attempts"]) == (0, "pending", 2)
    assert cli("work", "--drain").code == 0
    assert states(cli)[patient] == "completed"


def test_who_edits_a_dead_job_learns_that_another_has_its_key(cli: Cli) -> None:
    dead = submit(cli, "test-fail", "InputError", "--unique", "one")
    assert cli("work", "--drain").code == 1
    submit(cli, "test-fail", "InputError", "--unique", "one")
    edited = cli("dead", "edit", dead, "--priority", "low", "--retry")
    assert (edited.code, edited.data["status"], edited.data["priority"]) == (1, "failed", "low")
    assert "another job has its unique key" in edited.err


def test_a_key_needs_a_limit(cli: Cli) -> None:
    for wrong in (["--key", "k"], ["--key-limit", "2"], ["--key", "k", "--key-rate", "fast"]):
        assert cli("submit", "test-noop", *wrong).code == 2
    first = submit(cli, "test-noop", "--key", "k", "--key-limit", "1")
    second = submit(cli, "test-noop", "--key", "k", "--key-limit", "1", "--key-rate", "100/60")
    assert cli("status", second).data["hold"] == "concurrency"
    assert cli("work", "--drain").code == 0
    assert states(cli) == {first: "completed", second: "completed"}


def test_a_paused_job_waits_until_it_is_resumed(cli: Cli) -> None:
    job = submit(cli, "test-noop")
    assert cli("pause", job[:8]).lines == [{"job_id": job, "status": "pending", "paused": True}]
    assert cli("work", "--drain").code == 0
    assert states(cli) == {job: "pending"}
    assert "goes on" in cli("resume", job, "--no-json").out
    assert cli("work", "--drain").code == 0
    assert (states(cli), cli("pause", job).code) == ({job: "completed"}, 1)


def test_schedules(cli: Cli) -> None:
    assert cli("schedules", "list", "--no-json").out == "there are no schedules\n"
    added = cli("schedules", "add", "--timezone", "Europe/Berlin", "--missed", "once", "nightly", "30 2 * * *",
                "test-say", "hi", "-o", "out", "--json")  # fmt: skip
    assert added.code == 0, added.err
    assert (added.data["name"], added.data["type"], added.data["missed"]) == ("nightly", "test-echo", "once")
    fires = datetime.fromisoformat(added.data["next_fire_at"])
    assert fires > datetime.now(UTC)
    assert fires.minute == 30
    assert added.data["output"].endswith("/out")
    assert "nightly" in cli("schedules", "list", "--no-json").out
    assert cli("schedules", "pause", "nightly").data["next_fire_at"] is None
    assert cli("schedules", "resume", "nightly").data["enabled"] is True
    wrong = cli("schedules", "add", "x", "whenever", "test-noop")
    assert (wrong.code, "five fields" in wrong.err) == (2, True)
    assert cli("schedules", "add", "x", "@daily", "test-noop", "--depends-on", "y").code == 2
    lost = cli("schedules", "remove", "nightlyy")
    assert (lost.code, "nightly" in lost.err) == (2, True)
    assert cli("schedules", "remove", "nightly").code == 0
    assert cli("schedules", "list").lines == []


def test_a_budget_that_is_used_up_refuses(cli: Cli) -> None:
    shown = cli(
        "budgets", "set", "--limit", "0.000000001", "--per", "day", "--type", "test-say", "--action", "reject"
    )
    assert (shown.data["name"], shown.data["limit_usd"]) == ("type:test-echo/day", "0.000000001")
    submit(cli, "test-say", "hi", "-o", "out")
    assert cli("work", "--drain").code == 0
    (status,) = cli("budgets", "list").lines
    assert (status["used_up"], float(status["spent_usd"]) > 0) == (True, True)
    refused = cli("submit", "test-say", "hi", "-o", "out")
    assert (refused.code, "type:test-echo/day" in refused.err) == (1, True)
    events = cli("budgets", "events").lines
    assert [each["threshold_percent"] for each in events] == [50, 80, 100]
    assert "100 %" in cli("budgets", "events", "--no-json").out
    assert "type:test-echo/day" in cli("budgets", "list", "--no-json").out
    (cost,) = cli("cost", "--by", "organization").lines
    assert cost["organization"] == "default"
    assert cli("budgets", "remove", "type:test-echo/day").code == 0
    assert cli("budgets", "remove", "type:test-echo/day").code == 2


@pytest.mark.parametrize(
    "wrong", [["--limit", "much"], ["--limit", "0"], ["--limit", "1", "--type", "nobody"]]
)
def test_a_budget_has_to_be_one(cli: Cli, wrong: list[str]) -> None:
    assert cli("budgets", "set", *wrong).code == 2


def test_an_estimate_is_learned(cli: Cli) -> None:
    nothing = cli("estimate", "test-noop")
    assert (nothing.code, nothing.data) == (1, {"type": "test-noop", "estimate": None})
    for value in ("1", "2"):
        submit(cli, "test-noop", "--value", value)
    assert cli("work", "--drain").code == 0
    learned = cli("estimate", "test-noop", "--bytes", "1000").data["estimate"]
    assert learned["samples"] == 2
    assert 0 < learned["wall_seconds"]["p50"] <= learned["wall_seconds"]["p95"]
    assert float(learned["cost_usd"]["p50"]) > 0
    assert "2 jobs" in cli("estimate", "test-noop", "--no-json").out
    assert cli("estimate", "test-noop", "nothing-here.mov").code == 1


def test_dead_letters_in_bulk(cli: Cli) -> None:
    submit(cli, "test-fail", "InputError")
    submit(cli, "test-fail", "ToolFailed", "--organization", "films")
    submit(cli, "test-fail", "LimitExceeded")
    assert cli("work", "--drain").code == 1
    assert len(cli("dead", "list", "--error", "InputError", "--error", "LimitExceeded").lines) == 2
    assert len(cli("dead", "list", "--organization", "films").lines) == 1
    assert cli("dead", "list", "--before", "1h").lines == []
    assert cli("dead", "retry", "--all", "--error", "ToolFailed").data == {"retried": 1}
    assert cli("dead", "purge", "--all", "--type", "test-fail", "--error", "LimitExceeded").data == {
        "purged": 1
    }
    assert cli("dead", "purge", "--error", "InputError").code == 2
    assert sorted(each["status"] for each in cli("list").lines) == ["failed", "pending"]
