"""``pitchey-run submit PROCESSOR``: one job for a worker."""

from __future__ import annotations

from pathlib import Path

import click

from pitchey_core.errors import UnknownName
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.processors import ProcessorCommand
from pitchey_runner.cli.render.output import write_json
from pitchey_runner.cli.shared import shared_options

__all__ = ["submit_one", "submit_verb"]


class Processors(click.Group):
    """A command for each processor."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(ctx.ensure_object(Invocation).registry.processors)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        registry = ctx.ensure_object(Invocation).registry
        try:
            spec = registry.spec(cmd_name)
        except UnknownName:
            # An option in its place is click's to refuse.
            if cmd_name.startswith("-"):
                return None
            raise
        return ProcessorCommand(cmd_name, spec, registry, ProcessorCommand.SUBMIT)


submit_verb = Processors(
    "submit",
    help="Put a job into the store; 'pitchey-run work' does it. Prints its id.",
    subcommand_metavar="PROCESSOR [INPUT] [OPTIONS]",
    params=shared_options(),
)


def submit_one(ctx: click.Context, processor: str) -> None:
    """Put one job into the store and say which it is."""
    from pitchey_runner.cli.requests import request_from
    from pitchey_runner.submission import new_job, submit

    invocation = ctx.ensure_object(Invocation)
    job = new_job(invocation.host, request_from(ctx, processor), base=Path.cwd())
    with invocation.open_store() as store:
        (job_id,) = submit(store, [job])
    if invocation.as_json:
        write_json({"job_id": job_id})
    else:
        click.echo(job_id)
