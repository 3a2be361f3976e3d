"""Queued ``code`` jobs through the runner, against one unsandboxed process for each.

*Drain*: jobs whose result is data in the store, from the first tenth on, when the slots are warm. *Batch*: the command
with all that it starts, where each job publishes a folder with a manifest of its own besides.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import anyio
from harness import Bench, at_least, expect, in_turn, run_benchmark
from workbench import Workbench, pitchey_run, workbench

from pitchey_core.host import Host
from pitchey_core.process import interpreter
from pitchey_core.registry import Registry
from pitchey_runner.store import open_store
from pitchey_runner.store.interface import JobState, NewJob
from pitchey_runner.supervisor import Event, JobSettled, Supervisor

JOBS = 400
# What a batch of so many more takes longer than one of JOBS holds no start of anything.
MORE = 800
SLOTS = 2
SOURCE = "total = sum(i * i for i in range(10000))\nprint(total)"


def measure(bench: Bench) -> None:
    with workbench() as place:
        goal = at_least(0.8)
        drain = bench.compare("drain, Python", against="a process each", unit="jobs/s", by="ratio", goal=goal)
        row = bench.compare(
            f"batch of {JOBS}, from nothing", against="a process each", unit="jobs/s", by="ratio"
        )
        steady = bench.compare("batch, steady state", against="a process each", unit="jobs/s", by="ratio")
        for number in bench.rounds():
            ours, other = in_turn(number, partial(_drain, place, number), lambda: JOBS / _processes())
            drain.add(ours, other)
            took = _batch(place, f"{number}-few", JOBS)
            longer = _batch(place, f"{number}-many", JOBS + MORE) - took
            expect(longer > 0, "the machine is too busy to tell the steady state")
            row.add(JOBS / took, other)
            steady.add(MORE / longer, other)
        bench.fact("at one time", f"{SLOTS} slots, {SLOTS} processes")
        bench.note("from nothing: ours holds the start of the slots, the store and its commits")
        bench.note(f"steady state: {MORE} jobs over what {JOBS + MORE} take longer than {JOBS}")


def _drain(place: Workbench, number: int) -> float:
    ends: list[float] = []

    def watch(event: Event) -> None:
        if isinstance(event, JobSettled):
            ends.append(time.perf_counter())

    url = f"sqlite:///{place.root}/drain-{number}.db"
    host = Host.from_settings(
        Registry.load(),
        store=url,
        data_dir=str(place.root / "data"),
        queues={"code": {"max_slots": SLOTS}},
    )
    jobs = JOBS + MORE
    with open_store(url) as store:
        payloads = [{"language": "python", "code": f"{SOURCE}  # {each}"} for each in range(jobs)]
        store.enqueue([NewJob("code", payload, instance_type="lite") for payload in payloads])
        anyio.run(partial(Supervisor(store, host, types=["code"], watcher=watch).run, drain=True))
        expect(store.counts() == {JobState.COMPLETED: jobs}, f"after the drain: {store.counts()}")
    tenth = jobs // 10
    return (jobs - tenth) / (ends[-1] - ends[tenth - 1])


def _batch(place: Workbench, name: str, jobs: int) -> float:
    entries = [
        {"type": "code", "payload": {"language": "python", "code": f"{SOURCE}  # {name}-{each}"}}
        for each in range(jobs)
    ]
    path = place.root / f"jobs-{name}.json"
    path.write_text(json.dumps({"jobs": entries}))
    own = {
        "PITCHEY_STORE": place.store_url,
        "PITCHEY_DATA_DIR": str(place.root / "data"),
        "PITCHEY_QUEUES__CODE__MAX_SLOTS": str(SLOTS),
    }
    done = subprocess.run(
        [str(pitchey_run()), "batch", str(path), "--json"], capture_output=True, env={**os.environ, **own}
    )
    expect(done.returncode == 0, f"the batch failed: {done.stderr.decode()[-500:]}")
    last = json.loads(done.stdout.splitlines()[-1])
    expect(last["completed"] == jobs, f"{last['completed']} of {jobs} jobs are completed")
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
