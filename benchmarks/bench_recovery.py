"""How soon does a job run again after ``kill -9`` of its slot, or of its supervisor?

Two supervisors are at work on the host. A rule in the settings lets retries after SIGKILL wait for nothing, so that
the time of a killed slot is the runner's own; by default up to two seconds of back-off come on top. What a killed
supervisor held is in line again at once by default.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import Bench, at_most, expect, run_benchmark
from workbench import Workbench, pitchey_run, workbench

from pitchey_runner.store import open_store
from pitchey_runner.store.interface import JobRecord, JobStore, NewJob

JOB_TYPE = "test-sleep"
SUPERVISORS = 2
_RULE = f'[[queues.{JOB_TYPE}.retry_rules]]\nsignal = "SIGKILL"\nretries = 20\nbackoff = 0\n'


def measure(bench: Bench) -> None:
    with workbench() as work:
        expect(
            JOB_TYPE in work.host.registry.processors,
            f"there is no processor {JOB_TYPE}: pip install -e tests/support/pitchey_test_plugins",
        )
        Path("pitchey.toml").write_text(_RULE)
        slot = bench.compare(
            "a killed slot: its job runs again",
            against="it is claimed again",
            unit="s",
            by="ours",
            goal=at_most(1),
        )
        supervisor = bench.compare(
            "a killed supervisor: its job runs again",
            against="it is claimed again",
            unit="s",
            by="ours",
            goal=at_most(2),
        )
        with _supervised(work) as (store, supervisors):
            for _ in bench.rounds():
                slot.add(*_kill(work, store, lambda _, pid: pid))
                supervisor.add(*_kill(work, store, lambda job, _: _pid_of(store, job)))
                for each in [each for each in supervisors if each.poll() is not None]:
                    supervisors.remove(each)
                    supervisors.append(_start(work))
                _until(lambda: len(store.workers()) == SUPERVISORS, "the supervisors")


def _kill(work: Workbench, store: JobStore, victim: Any) -> tuple[float, float]:
    """Seconds from the kill until the job runs again, and until it is claimed again."""
    trace = work.root / "trace"
    trace.unlink(missing_ok=True)
    payload = {"seconds": 3000, "trace": str(trace)}
    job_id = str(store.enqueue([NewJob(JOB_TYPE, payload, instance_type="lite", max_attempts=20)])[0])
    _until(lambda: _starts(trace), "the first start")
    job = _job(store, job_id)
    pid = json.loads(_starts(trace)[0])["pid"]
    began = time.perf_counter()
    os.kill(victim(job, pid), signal.SIGKILL)
    claimed = _until(lambda: _job(store, job_id).claim_seq > job.claim_seq, "the second claim") - began
    ran = _until(lambda: len(_starts(trace)) > 1, "the second start") - began
    store.cancel([job_id])
    _until(lambda: _job(store, job_id).status.finished, "the end")
    return ran, claimed


def _job(store: JobStore, job_id: str) -> JobRecord:
    job = store.get(job_id)
    assert job is not None
    return job


def _starts(trace: Path) -> list[str]:
    return trace.read_text().splitlines() if trace.exists() else []


def _pid_of(store: JobStore, job: JobRecord) -> int:
    return next(each.info.pid for each in store.workers() if each.info.id == job.worker_id)


def _until(condition: Any, what: str) -> float:
    end = time.perf_counter() + 60
    while not condition():
        expect(time.perf_counter() < end, f"{what} did not come within a minute")
        time.sleep(0.002)
    return time.perf_counter()


def _start(work: Workbench) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PITCHEY_STORE": work.store_url, "PITCHEY_DATA_DIR": str(work.root / "data")}
    command = [str(pitchey_run()), "work", "--types", JOB_TYPE]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def _supervised(work: Workbench) -> Iterator[tuple[JobStore, list[subprocess.Popen[bytes]]]]:
    with open_store(work.store_url) as store:
        supervisors = [_start(work) for _ in range(SUPERVISORS)]
        try:
            _until(lambda: len(store.workers()) == SUPERVISORS, "the supervisors")
            yield store, supervisors
        finally:
            for each in supervisors:
                each.terminate()
            for each in supervisors:
                each.wait()


if __name__ == "__main__":
    run_benchmark("recovery", measure)
