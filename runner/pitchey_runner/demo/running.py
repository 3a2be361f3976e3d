"""The demo from its input to its report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from pitchey_core.host import Host
from pitchey_core.isolation import SandboxPolicy, probe
from pitchey_runner.batch import BatchDone, BatchOptions, read_batch, run_batch
from pitchey_runner.demo.footage import Footage
from pitchey_runner.demo.jobs import write_batch
from pitchey_runner.demo.papers import make_papers
from pitchey_runner.demo.report import write_report
from pitchey_runner.store.interface import JobStore, NewJob
from pitchey_runner.supervisor import Watcher

__all__ = ["Demo", "prepare_demo", "run_demo"]


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that is ready to run."""

    folder: Path
    footage: Footage
    jobs: list[NewJob]


def prepare_demo(host: Host, folder: Path, footage: Footage) -> Demo:
    """Write the batch file, and read it as anybody's would be read."""
    papers = make_papers(footage.path.parent)
    batch = write_batch(folder, footage.path, papers, programs=_has_walls())
    return Demo(folder, footage, read_batch(host, batch, BatchOptions()))


def _has_walls() -> bool:
    """Whether this host can run a program that nobody vouches for; some containers cannot."""
    found = probe()
    return not any(found[layer].startswith("not enforced") for layer in SandboxPolicy().required)


def run_demo(store: JobStore, host: Host, demo: Demo, watcher: Watcher | None) -> tuple[BatchDone, Path]:
    """Run the batch and write the report, whose path is the second thing returned."""
    done = anyio.run(partial(run_batch, store, host, demo.jobs, watcher=watcher))
    return done, write_report(demo.folder, demo.footage, done)
