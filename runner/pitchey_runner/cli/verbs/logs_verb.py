"""``pitchey-run logs``: what a job has written."""

from __future__ import annotations

import click

from pitchey_runner.cli.invocation import Invocation, resolve_id
from pitchey_runner.cli.job_logs import follow, read_logs
from pitchey_runner.cli.render.logs import log_writer

__all__ = ["logs_verb"]


@click.command("logs")
@click.argument("job_id", metavar="ID")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the job ends.")
@click.option(
    "--attempt", type=click.IntRange(1), metavar="N", help="Of this attempt.  [default: the latest]"
)
@click.pass_obj
def logs_verb(invocation: Invocation, job_id: str, following: bool, attempt: int | None) -> None:
    """Show what a job and its programs have logged. ID may be the beginning of one."""
    with invocation.open_store() as store, log_writer(as_json=bool(invocation.json)) as write:
        found = resolve_id(store, job_id)
        if following:
            follow(store, found, invocation.loaded.settings.data_dir, write)
        else:
            read_logs(store, found, invocation.loaded.settings.data_dir, write, attempt=attempt)
