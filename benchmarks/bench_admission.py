"""A mixed load under admission, against fixed pools of one to four workers that take whatever comes.

The load is the demo's: video, media, document, inference and code jobs. The pools are the same supervisor
with limits that never bind, and a fixed number of slots; the best one is found by trying all. They take turns, after a
run that is not counted: the first one reads models and programs from the disk. Ours is told how much memory it may
use. The memory of all slots together (proportional set size) is sampled ten times a second.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import yaml
from harness import Bench, at_most, expect, in_turn, run_benchmark, timed
from workbench import workbench

from pitchey_core.host import Host
from pitchey_core.process import TreeMemory, tree
from pitchey_core.registry import Registry
from pitchey_core.resources import GIB
from pitchey_core.tools import ToolTable
from pitchey_runner.demo.footage import find_footage
from pitchey_runner.demo.jobs import write_batch
from pitchey_runner.demo.papers import make_papers
from pitchey_runner.store import open_store
from pitchey_runner.store.interface import JobState
from pitchey_runner.submission import JobRequest, new_job
from pitchey_runner.supervisor import Supervisor

GIVEN_BYTES = 10 * GIB
POOLS = (1, 2, 3, 4)


@dataclass
class Ran:
    """Seconds, and the most memory at any time."""

    wall: float
    peak_bytes: int


def measure(bench: Bench) -> None:
    with workbench() as bench_folder:
        root = bench_folder.root
        registry = Registry.load()
        source = find_footage(root, ToolTable(registry.tools, {}))
        batch = write_batch(root, source.path, make_papers(root), programs=True)
        entries = yaml.safe_load(batch.read_text())["jobs"]
        row = bench.compare(
            f"{len(entries)} jobs of five processors",
            against="the best fixed pool",
            unit="s",
            by="ratio",
            goal=at_most(1.05),
        )
        bench.fact("memory given, MiB", GIVEN_BYTES >> 20)
        given = {"memory_bytes": GIVEN_BYTES}
        free = {"vcpus": 64, "memory_bytes": 1024 * GIB}
        _run(root, registry, entries, "uncounted", given)
        for number in bench.rounds():
            ours, *others = in_turn(
                number,
                partial(_run, root, registry, entries, f"ours-{number}", given),
                *(
                    partial(_run, root, registry, entries, f"pool-{size}-{number}", free, max_slots=size)
                    for size in POOLS
                ),
            )
            expect(ours.peak_bytes <= GIVEN_BYTES, f"{ours.peak_bytes >> 20} MiB is more than was given")
            pools = dict(zip(POOLS, others, strict=True))
            best = min(pools, key=lambda size: pools[size].wall)
            row.add(ours.wall, pools[best].wall)
            bench.fact(f"round {number}: ours, most memory, MiB", ours.peak_bytes >> 20)
            for size, ran in pools.items():
                words = f"{ran.wall:.1f} s, {ran.peak_bytes >> 20} MiB" + (
                    ", the best" if size == best else ""
                )
                bench.fact(f"round {number}: pool of {size}", words)


def _run(
    root: Path,
    registry: Registry,
    entries: list[dict[str, Any]],
    name: str,
    limits: dict[str, Any],
    **options: Any,
) -> Ran:
    folder = root / name
    folder.mkdir()
    queues = {job_type: {"max_slots": 4} for job_type in registry.processors}
    store_url = f"sqlite:///{folder}/jobs.db"
    host = Host.from_settings(
        registry, store=store_url, data_dir=str(folder / "data"), host=limits, queues=queues
    )
    jobs = [
        new_job(
            host, JobRequest(each["type"], each["payload"], output=str(folder / f"out-{number}")), base=root
        )
        for number, each in enumerate(entries)
    ]
    with open_store(store_url) as store:
        store.enqueue(jobs)
        supervisor = Supervisor(store, host, **options)

        async def drain() -> None:
            await supervisor.run(drain=True)

        with _sampled() as peak:
            _, cost = timed(lambda: anyio.run(drain))
        done = store.counts()
    expect(done == {JobState.COMPLETED: len(entries)}, f"not all jobs are completed: {done}")
    shutil.rmtree(folder)
    return Ran(cost.wall, peak[0])


@contextmanager
def _sampled() -> Iterator[list[int]]:
    peak, stop = [0], threading.Event()

    def sample() -> None:
        while not stop.wait(0.1):
            members = [entry for entry in tree(os.getpid()) if entry.pid != os.getpid()]
            peak[0] = max(peak[0], TreeMemory(0, members).pss_bytes())

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield peak
    finally:
        stop.set()
        sampler.join()


if __name__ == "__main__":
    run_benchmark("admission", measure)
