"""``pitchey-run batch``: every job of a file or folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
import click

from pitchey_runner.batch import BatchOptions, read_batch, run_batch
from pitchey_runner.cli.failures import INTERRUPTED
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.batches import settled_lines, show_batch
from pitchey_runner.cli.render.progress import progress_bars
from pitchey_runner.cli.yaml_values import assignments
from pitchey_runner.store.interface import Priority

__all__ = ["batch_verb"]


@click.command("batch")
@click.argument("source", metavar="FILE|DIR")
@click.option(
    "--type", "job_type", default="video", show_default=True, help="Processor of jobs that name none."
)
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="KEY=VALUE",
    help="Payload field of every job; VALUE is YAML. Repeatable.",
)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    help="Folder for the outputs; each job gets its own in it.  [default: the file's, else pitchey-output]",
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@click.option(
    "--priority",
    type=click.Choice([each.value for each in Priority]),
    default="medium",
    help="Of jobs that name none.",
)
@click.option("--recursive", is_flag=True, help="With DIR: the files in its folders, too.")
@click.option(
    "--slots", type=click.IntRange(1), metavar="N", help="Most jobs at a time.  [default: what the host can]"
)
@click.pass_obj
def batch_verb(
    invocation: Invocation,
    source: str,
    job_type: str,
    values: tuple[str, ...],
    output: str | None,
    overwrite: bool,
    priority: str,
    recursive: bool,
    slots: int | None,
) -> int:
    """Run every job of FILE (.yaml, .json, .jsonl), or one for each file in DIR.

    FILE is a list of {type, payload, priority, output}, or {defaults: {…}, jobs: […]}; its paths are relative
    to it. The same command again does what is left: finished jobs whose outputs are intact are skipped.
    Ctrl-C finishes what runs; twice stops at once.
    """
    host = invocation.host
    options = BatchOptions(job_type, assignments(values), output, overwrite, Priority(priority), recursive)
    jobs = read_batch(host, Path(source), options)
    with invocation.open_store() as store:
        with progress_bars(live=invocation.live, total=len(jobs)) as bars:
            watcher = bars or settled_lines(invocation.as_json)
            done = anyio.run(partial(run_batch, store, host, jobs, watcher=watcher, max_slots=slots))
        show_batch(done, as_json=invocation.as_json)
    if done.interrupted:
        return INTERRUPTED
    return 0 if done.summary.all_done else 1
