"""Queued ``code`` jobs through the runner, against one unsandboxed process for each."""

from __future__ import annotations

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from harness import Bench, at_least, expect, run_benchmark
from workbench import Workbench, pitchey_run, workbench

from pitchey_core.process import interpreter

JOBS = 400
SLOTS = 2
SOURCE = "total = sum(i * i for i in range(10000))\nprint(total)"


def measure(bench: Bench) -> None:
    with workbench() as place:
        row = bench.compare(
            f"{JOBS} jobs, Python",
            against="a process each",
            unit="jobs/s",
            by="ratio",
            goal=at_least(0.8),
        )
        for number in bench.rounds():
            other = _processes()
            row.add(JOBS / _batch(place, number), JOBS / other)
        bench.fact("at one time", f"{SLOTS} slots, {SLOTS} processes")
        bench.note("ours holds the start of the slots, the store and its commits")


def _batch(place: Workbench, number: int) -> float:
    entries = [
        {"type": "code", "payload": {"language": "python", "code": f"{SOURCE}  # {number}-{each}"}}
        for each in range(JOBS)
    ]
    path = place.root / f"jobs-{number}.json"
    path.write_text(json.dumps({"jobs": entries}))
    own = {"PITCHEY_STORE": place.store_url, "PITCHEY_DATA_DIR": str(place.root / "data")}
    done = subprocess.run(
        [str(pitchey_run()), "batch", str(path), "--json"], capture_output=True, env={**os.environ, **own}
    )
    expect(done.returncode == 0, f"the batch failed: {done.stderr.decode()[-500:]}")
    last = json.loads(done.stdout.splitlines()[-1])
    expect(last["completed"] == JOBS, f"{last['completed']} of {JOBS} jobs are completed")
    return float(last["wall_seconds"])


def _processes() -> float:
    command = [interpreter(), "-I", "-S", "-B", "-c", SOURCE]

    def one(_: int) -> bytes:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env={}).stdout

    began = time.perf_counter()
    with ThreadPoolExecutor(SLOTS) as pool:
        answers = list(pool.map(one, range(JOBS)))
    took = time.perf_counter() - began
    expect(set(answers) == {b"333283335000\n"}, "a process answers wrongly")
    return took


if __name__ == "__main__":
    run_benchmark("queued programs", measure)
