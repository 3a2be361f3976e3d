"""``pitchey-run estimate``: what a job will take."""

from __future__ import annotations

from pathlib import Path

import click

from pitchey_core.errors import InputError, UsageError
from pitchey_core.storage import display, to_path, to_url
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.budgets import show_estimate
from pitchey_runner.cli.render.output import write_json

__all__ = ["estimate_verb"]


@click.command("estimate")
@click.argument("processor")
@click.argument("inputs", metavar="[INPUT...]", nargs=-1)
@click.option(
    "--bytes", "size", type=click.IntRange(0), metavar="N", help="Size of the input, instead of INPUT."
)
@click.pass_obj
def estimate_verb(invocation: Invocation, processor: str, inputs: tuple[str, ...], size: int | None) -> int:
    """Time, CPU, memory and cost of a job, learned from the completed jobs of this store.

    Those whose inputs are nearest in size to INPUT count; without INPUT, the latest of all sizes.
    """
    if inputs and size is not None:
        raise UsageError("--bytes takes the place of INPUT", remedy="give one of the two")
    (job_type,) = invocation.job_types([processor])
    wanted = sum(map(_bytes, inputs)) if inputs else size
    with invocation.open_store() as store:
        found = store.estimate(job_type, wanted)
    if invocation.as_json:
        write_json({"type": job_type, "estimate": None if found is None else found.as_record()})
    elif found is None:
        click.echo(f"no {job_type} job was completed in this store yet", err=True)
    else:
        show_estimate(found)
    return 1 if found is None else 0


def _bytes(text: str) -> int:
    path = to_path(to_url(text, Path.cwd()))
    if path is None:
        raise UsageError(f"the size of {display(text)} is not known", remedy="give it with --bytes")
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{display(text)} cannot be read: {error.strerror}") from error
