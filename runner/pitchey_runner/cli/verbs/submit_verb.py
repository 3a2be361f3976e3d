"""``pitchey-run submit PROCESSOR``: one job for a worker."""

from __future__ import annotations

from pathlib import Path

import click

from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.processors import ProcessorCommand, Processors
from pitchey_runner.cli.render.output import write_json
from pitchey_runner.cli.shared import shared_options

__all__ = ["submit_one", "submit_verb"]


submit_verb = Processors(
    "submit",
    action=ProcessorCommand.SUBMIT,
    help="Put a job into the store; 'pitchey-run work' does it. Prints its id.",
    subcommand_metavar="PROCESSOR [INPUT] [OPTIONS]",
    params=shared_options(),
)


def submit_one(ctx: click.Context, processor: str) -> None:
    """Put one job into the store and say which it is."""
    from pitchey_runner.cli.requests import request_from
    from pitchey_runner.submission import new_job, submit

    invocation = ctx.ensure_object(Invocation)
    with invocation.open_store() as store:
        job = new_job(invocation.host, request_from(ctx, processor, store=store), base=Path.cwd())
        (job_id,) = submit(store, [job])
    if invocation.as_json:
        write_json({"job_id": job_id} if job_id == job.id else {"job_id": job_id, "created": False})
    else:
        click.echo(job_id)
