"""``pitchey-run list``: many jobs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.jobs import show_jobs
from pitchey_runner.cli.when import SINCE
from pitchey_runner.store.interface import JobFilter, JobState

__all__ = ["batch_id_from", "list_verb"]


@click.command("list")
@click.option(
    "--status",
    "states",
    type=click.Choice([each.value for each in JobState]),
    multiple=True,
    help="Only jobs in this state. Repeatable.",
)
@click.option("--type", "types", multiple=True, metavar="NAME", help="Only jobs of this type. Repeatable.")
@click.option("--batch", metavar="FILE|ID", help="Only jobs of this batch.")
@click.option("--since", type=SINCE, help="Only jobs created since: 24h, 7d, or a date.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Most jobs to list.")
@click.pass_obj
def list_verb(
    invocation: Invocation,
    states: tuple[str, ...],
    types: tuple[str, ...],
    batch: str | None,
    since: datetime | None,
    limit: int,
) -> None:
    """List jobs, newest first."""
    where = JobFilter(
        states=[JobState(state) for state in states],
        types=invocation.job_types(types),
        batch_id=batch_id_from(batch),
        since=since,
    )
    with invocation.open_store() as store:
        records = store.list(where, limit=limit)
    show_jobs(records, as_json=invocation.as_json)


def batch_id_from(given: str | None) -> str | None:
    """The batch that the option ``--batch`` names by its id or its file."""
    if given is None or not Path(given).exists():
        return given
    from pitchey_runner.batch import batch_id_of

    return batch_id_of(Path(given))
