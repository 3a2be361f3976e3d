"""Pausing what runs: the verbs, the store and a slot together."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pitchey_cli import Cli

Eventually = Callable[..., Any]


def submit(cli: Cli, *args: str) -> str:
    ran = cli("submit", *args, "--json")
    assert ran.code == 0, ran.err
    return str(ran.data["job_id"])


def stands_still(counter: Path) -> bool:
    before = counter.stat().st_size
    time.sleep(0.5)
    return counter.stat().st_size == before


def test_a_running_job_stands_still_while_it_is_paused(cli: Cli, eventually: Eventually) -> None:
    # No heart beats while this runs: it has to be the look for wishes that tells the worker.
    cli.environment |= {"PITCHEY_TIMING__BEAT": "300", "PITCHEY_TIMING__LEASE": "900"}
    counter = cli.folder / "counter"
    job = submit(cli, "test-sleep", "600", "--counter", str(counter), "--wall-limit", "900")
    worker = cli.start("work", "--types", "test-sleep")
    eventually(lambda: counter.exists() and not stands_still(counter))
    assert cli("pause", job).lines == [{"job_id": job, "status": "processing", "paused": True}]
    eventually(lambda: stands_still(counter))
    # It is no accident: for twenty ticks and more nothing happens.
    assert stands_still(counter)
    assert cli("status", job).data["status"] == "processing"
    assert cli("resume", job).code == 0
    eventually(lambda: not stands_still(counter))
    # Also one that stands still can be cancelled.
    assert cli("pause", job).code == 0
    eventually(lambda: stands_still(counter))
    assert cli("cancel", job).code == 0
    eventually(lambda: cli("status", job).data["status"] == "cancelled")
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=30)


def test_the_limits_of_a_paused_program_do_not_run(cli: Cli, eventually: Eventually) -> None:
    code = "import time\nfor tick in range(15): time.sleep(0.1)\nprint('done')"
    running = submit(cli, "code", "-l", "python", "-c", code, "--timeout", "3")
    test = '{"stdin": "", "expected_stdout": "done"}'
    tested = submit(
        cli, "code", "-l", "python", "-c", code, "--timeout", "3", "--tests", test, "--wall-limit", "6"
    )
    worker = cli.start("work", "--types", "code")
    for job in (running, tested):
        eventually(lambda job=job: cli("status", job).data["status"] == "processing")
    cli("pause", running, tested)
    time.sleep(6)
    cli("resume", running, tested)
    for job in (running, tested):
        done = eventually(lambda job=job: cli("status", job).data["result"])
        assert done["facts"]["verdict"] == "ok", done
    assert done["facts"]["passed"] == 1
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=30)


def test_a_paused_queue_starts_nothing_and_lets_go_on_what_runs(cli: Cli, eventually: Eventually) -> None:
    counter = cli.folder / "counter"
    first = submit(cli, "test-sleep", "5", "--counter", str(counter))
    worker = cli.start("work", "--types", "test-sleep")
    eventually(counter.exists)
    assert cli("queues", "pause", "test-sleep").code == 0
    second = submit(cli, "test-sleep", "0")
    eventually(lambda: cli("status", first).data["status"] == "completed")
    assert cli("status", second).data["status"] == "pending"
    assert cli("queues", "resume", "test-sleep").code == 0
    eventually(lambda: cli("status", second).data["status"] == "completed")
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=30)
