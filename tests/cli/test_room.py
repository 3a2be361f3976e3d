"""What a job waits for that no worker has room for, and what those that run may use."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from pitchey_cli import Cli

from pitchey_core.resources import GIB, MIB
from pitchey_core.slots import enforcer

Eventually = Callable[..., Any]


def submit(cli: Cli, *args: str) -> str:
    ran = cli("submit", *args, "--json")
    assert ran.code == 0, ran.err
    return str(ran.data["job_id"])


def because(cli: Cli, job: str, kind: str) -> dict[str, Any] | None:
    """Why a job waits, once that is one of the reasons; and that reason first."""
    data = cli("why", job).data
    found = [each for each in data["reasons"] if each["kind"] == kind]
    return {**data, "reason": found[0], "count": len(found)} if found else None


def running(cli: Cli, job: str) -> bool:
    return bool(cli("status", job).data["attempts"])


@pytest.fixture
def worker(cli: Cli, eventually: Eventually) -> Callable[..., str]:
    """Starts a worker on a host of these settings that has one job to do; its id."""

    def start(seconds: str = "60", **settings: str) -> str:
        cli.environment.update(settings, PITCHEY_TIMING__BEAT="1", PITCHEY_TIMING__LEASE="10")
        job = submit(cli, "test-sleep", seconds)
        cli.start("work")
        eventually(lambda: running(cli, job))
        return job

    return start


def test_memory_that_others_have(cli: Cli, worker: Callable[..., str], eventually: Eventually) -> None:
    holder = worker(PITCHEY_HOST__MEMORY_BYTES=str(1536 * MIB))
    second, third = submit(cli, "test-sleep", "60"), submit(cli, "test-noop")
    why = eventually(lambda: because(cli, second, "resources"))
    reason = why["reason"]
    assert (reason["name"], reason["wanted"], reason["free"]) == ("memory", GIB, 512 * MIB)
    assert (reason["held_by"], why["count"]) == ([holder], 1)
    # By the progress of the other one: nobody has seen such a job end.
    assert eventually(lambda: cli("why", second).data["eta_seconds"]) > 10
    shown = cli("why", second, "--no-json").out
    assert "it wants 1.00 GiB of memory; 0.50 GiB of memory is free on" in shown
    assert f"job {holder[:8]} has the rest" in shown
    assert eventually(lambda: because(cli, third, "resources"))["reason"]["held_by"] == [holder]


@pytest.mark.slow
def test_vcpus_and_when_they_will_be_free(
    cli: Cli, worker: Callable[..., str], eventually: Eventually
) -> None:
    for _ in range(3):
        submit(cli, "test-sleep", "8")
    assert cli("work", "--drain").code == 0
    holder = worker("8", PITCHEY_HOST__VCPUS="0.5", PITCHEY_HOST__CPU_OVERCOMMIT="1")
    second = submit(cli, "test-sleep", "8")
    why = eventually(lambda: because(cli, second, "resources"))
    reason = why["reason"]
    assert (reason["name"], reason["wanted"], reason["free"]) == ("vcpus", 0.5, 0.0)
    assert reason["held_by"] == [holder]
    assert why["slots"] == 1
    # Of the first moments of the other one no pace can be told.
    assert eventually(
        lambda: 0 < (because(cli, second, "resources") or {"eta_seconds": 0})["eta_seconds"] <= 8
    )
    assert eventually(lambda: cli("status", second).data["status"] == "completed", 60)


def test_slots_are_as_many_as_the_store_says(
    cli: Cli, worker: Callable[..., str], eventually: Eventually
) -> None:
    assert cli("queues", "set", "test-sleep", "--max-slots", "1").code == 0
    holder = worker(PITCHEY_HOST__VCPUS="4")
    second = submit(cli, "test-sleep", "60")
    why = eventually(lambda: because(cli, second, "slots"))
    reason = why["reason"]
    assert (reason["count"], reason["limit"], reason["held_by"]) == (1, 1, [holder])
    assert why["slots"] == 1
    assert "the only slot of queue test-sleep" in cli("why", second, "--no-json").out


def test_slots_of_all_queues_together(cli: Cli, eventually: Eventually) -> None:
    cli.environment.update(PITCHEY_TIMING__BEAT="1", PITCHEY_TIMING__LEASE="10")
    holder = submit(cli, "test-sleep", "60")
    cli.start("work", "--slots", "1")
    eventually(lambda: running(cli, holder))
    other = submit(cli, "test-noop")
    reason = eventually(lambda: because(cli, other, "slots"))["reason"]
    assert (reason["name"], reason["limit"], reason["held_by"]) == ("*", 1, [holder])
    assert "the only slot on " in cli("why", other, "--no-json").out


def test_a_worker_that_leaves_takes_no_job(cli: Cli, eventually: Eventually) -> None:
    holder = submit(cli, "test-sleep", "60")
    leaving = cli.start("work")
    eventually(lambda: running(cli, holder))
    leaving.send_signal(signal.SIGTERM)
    second = submit(cli, "test-sleep", "60")
    eventually(lambda: because(cli, second, "no_worker"))


def test_a_worker_of_one_batch_takes_no_other_job(cli: Cli, eventually: Eventually) -> None:
    cli.start("test-sleep", "60")
    (holder,) = eventually(lambda: cli("list").lines)
    second = submit(cli, "test-sleep", "60")
    eventually(lambda: because(cli, second, "no_worker"))
    assert cli("status", holder["id"]).data["status"] == "processing"


def test_a_job_whose_worker_is_dead_does_not_run(cli: Cli, eventually: Eventually) -> None:
    cli.environment.update(PITCHEY_TIMING__BEAT="1", PITCHEY_TIMING__LEASE="3")
    runner = cli.start("test-sleep", "60")
    (job,) = eventually(lambda: cli("list", "--status", "processing").lines)
    assert cli("why", job["id"]).data["reasons"] == []
    runner.kill()
    runner.communicate()
    data = eventually(lambda: because(cli, job["id"], "worker_lost"))
    assert [each["kind"] for each in data["reasons"]] == ["worker_lost", "no_worker"]
    assert "has lost its worker\n" in cli("why", job["id"], "--no-json").out


def test_without_a_worker_the_line_is_reckoned_with_the_stores_slots(cli: Cli) -> None:
    """What workers have, nobody has said: the queue's figure counts, and not that of the settings."""
    from pitchey_runner.store import open_store
    from pitchey_runner.supervisor.identity import this_worker

    submit(cli, "test-sleep", "1")
    assert cli("work", "--drain").code == 0
    assert cli("queues", "set", "test-sleep", "--max-slots", "1").code == 0
    jobs = [submit(cli, "test-sleep", "1") for _ in range(4)]
    with open_store(cli.env["PITCHEY_STORE"]) as store:
        store.register_worker(this_worker(["test-sleep"], lease_seconds=60))
        data = cli("why", jobs[-1]).data
    # Three before it, one at a time; four slots, as the settings have it, would take one round.
    assert data["slots"] is None
    assert data["eta_seconds"] > 2.9


def test_a_claimed_job_that_does_not_fit_is_said_so(
    cli: Cli, worker: Callable[..., str], eventually: Eventually
) -> None:
    """The type's usual demand fits beside what runs; this job, of a larger instance type, does not."""
    holder = worker(PITCHEY_HOST__MEMORY_BYTES=str(4 * GIB), PITCHEY_HOST__VCPUS="8")
    large = submit(cli, "test-noop", "--instance-type", "standard-2")
    why = eventually(lambda: because(cli, large, "resources"))
    assert why["status"] == "processing"
    assert (why["reason"]["wanted"], why["reason"]["free"]) == (4 * GIB, 3 * GIB)
    assert why["reason"]["held_by"] == [holder]
    assert "is held by a worker that has no room for it yet" in cli("why", large, "--no-json").out
    assert because(cli, holder, "resources") is None


@pytest.mark.parametrize("cgroups", ["true", "false"])
def test_status_tells_what_a_job_might_use_and_what_kept_it_to_that(cli: Cli, cgroups: str) -> None:
    cli.environment["PITCHEY_HOST__CGROUPS"] = cgroups
    job = submit(cli, "test-noop")
    assert cli("work", "--drain").code == 0
    (attempt,) = cli("status", job).data["attempts"]
    expected = enforcer() if cgroups == "true" else "supervision"
    assert (attempt["reserved_memory_bytes"], attempt["enforced_by"]) == (GIB, expected)
    assert f"1.1 GB, {expected}" in cli("status", job, "--no-json").out


def test_status_tells_it_of_a_running_job_as_well(
    cli: Cli, worker: Callable[..., str], eventually: Eventually
) -> None:
    job = worker()
    attempt = eventually(
        lambda: [each for each in cli("status", job).data["attempts"] if each["enforced_by"] is not None]
    )[0]
    assert (attempt["outcome"], attempt["reserved_memory_bytes"]) == (None, GIB)
