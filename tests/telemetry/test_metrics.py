"""Prometheus metrics, scraped from a worker as Prometheus would."""

from __future__ import annotations

import signal
import urllib.request
from collections.abc import Callable
from typing import Any

from pitchey_cli import Cli
from prometheus_client.parser import text_string_to_metric_families as parsed

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(text: str) -> Samples:
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in parsed(text)
        for each in family.samples
    }


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return str(answer.read().decode())


def test_a_worker_tells_its_metrics(cli: Cli, eventually: Callable[..., Any]) -> None:
    assert cli("submit", "test-noop").code == 0
    assert cli("submit", "test-fail", "InputError").code == 0
    assert cli("submit", "test-sleep", "60", "--delay", "3600").code == 0
    assert cli("queues", "set", "test-noop", "--max-slots", "2").code == 0
    worker = cli.start("work", "--metrics", "127.0.0.1:0", "--json")
    assert worker.stderr is not None
    line = worker.stderr.readline().decode()
    assert line.startswith("metrics: http://127.0.0.1:"), line
    url = line.split()[1]

    def ended() -> Samples | None:
        found = scraped(get(url))
        total = sum(
            value for (name, _), value in found.items() if name == "pitchey_job_duration_seconds_count"
        )
        done = total == 2 and found.get(("pitchey_jobs", (("queue", "test-fail"), ("state", "failed")))) == 1
        return found if done else None

    found = eventually(ended)
    assert found["pitchey_job_attempts_total", (("outcome", "completed"), ("queue", "test-noop"))] == 1
    assert found["pitchey_job_attempts_total", (("outcome", "failed"), ("queue", "test-fail"))] == 1
    assert found["pitchey_job_cost_nanodollars_total", (("queue", "test-noop"),)] > 0
    assert found["pitchey_jobs", (("queue", "test-sleep"), ("state", "scheduled"))] == 1
    assert found["pitchey_jobs", (("queue", "test-noop"), ("state", "pending"))] == 0
    assert found["pitchey_jobs_running", (("queue", "test-noop"),)] == 0
    assert found["pitchey_job_wait_seconds_count", (("queue", "test-noop"),)] == 1
    assert found["pitchey_store_up", ()] == 1
    assert found["pitchey_slots_max", (("queue", "test-noop"),)] == 2, "as the store says"
    assert found["pitchey_slots_max", (("queue", "test-sleep"),)] == 4, "as the settings say"
    assert 0 <= found["pitchey_host_cpu_ratio", ()] <= 1
    assert found["pitchey_host_memory_total_bytes", ()] > found["pitchey_host_memory_available_bytes", ()] > 0
    assert [name for name, _ in found if name == "pitchey_worker_heartbeat_age_seconds"]
    worker.send_signal(signal.SIGTERM)
    _, err = worker.communicate(timeout=30)
    assert worker.returncode == 130
    assert b"Traceback" not in err


def test_wrong_and_taken_addresses_are_refused(cli: Cli) -> None:
    ran = cli("work", "--drain", "--metrics", "nowhere", "--no-json")
    assert (ran.code, "telemetry.metrics" in ran.err, "127.0.0.1:9464" in ran.err) == (2, True, True)
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = cli("work", "--drain", "--metrics", str(taken.getsockname()[1]), "--no-json")
    assert (ran.code, "cannot listen" in ran.err) == (2, True)


def test_the_setting_does_the_same(cli: Cli) -> None:
    cli.environment["PITCHEY_TELEMETRY__METRICS"] = "127.0.0.1:0"
    ran = cli("work", "--drain")
    assert ran.code == 0
    assert "metrics: http://127.0.0.1:" in ran.err
