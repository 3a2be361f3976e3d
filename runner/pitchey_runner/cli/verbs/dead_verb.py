"""``pitchey-run dead``: the jobs that failed for good."""

from __future__ import annotations

from datetime import datetime

import click

from pitchey_core.errors import UsageError
from pitchey_runner.cli.invocation import Invocation, existing_job, resolve_id
from pitchey_runner.cli.render.changes import show_count
from pitchey_runner.cli.render.jobs import show_job, show_jobs
from pitchey_runner.cli.when import SINCE
from pitchey_runner.store.interface import JobFilter, JobRecord, JobState, JobStore

__all__ = ["dead_verb"]

_ALL = 10_000_000


@click.group("dead")
def dead_verb() -> None:
    """Jobs that failed: by an error that is not retried, or with all their attempts used up."""


@dead_verb.command("list")
@click.option("--type", "types", multiple=True, metavar="NAME", help="Only jobs of this type. Repeatable.")
@click.option("--since", type=SINCE, help="Only jobs created since: 24h, 7d, or a date.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Most jobs to list.")
@click.pass_obj
def list_(invocation: Invocation, types: tuple[str, ...], since: datetime | None, limit: int) -> None:
    """List them, newest first."""
    with invocation.open_store() as store:
        where = JobFilter(states=[JobState.FAILED], types=invocation.job_types(types), since=since)
        show_jobs(store.list(where, limit=limit), as_json=invocation.as_json)


@dead_verb.command("show")
@click.argument("job_id", metavar="ID")
@click.pass_obj
def show(invocation: Invocation, job_id: str) -> None:
    """Show one with the history of its attempts."""
    with invocation.open_store() as store:
        record = existing_job(store, resolve_id(store, job_id))
        show_job(record, store.attempts(record.id), as_json=invocation.as_json)


@dead_verb.command("retry")
@click.argument("job_ids", metavar="[ID...]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option(
    "--type", "types", multiple=True, metavar="NAME", help="With --all: only jobs of this type. Repeatable."
)
@click.pass_obj
def retry(invocation: Invocation, job_ids: tuple[str, ...], everything: bool, types: tuple[str, ...]) -> None:
    """Put failed jobs in line again."""
    with invocation.open_store() as store:
        ids = [each.id for each in _chosen(store, job_ids, everything, invocation.job_types(types))]
        show_count(store.retry(ids).count(JobState.PENDING), "retried", as_json=invocation.as_json)


@dead_verb.command("purge")
@click.argument("job_ids", metavar="[ID...]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option(
    "--type", "types", multiple=True, metavar="NAME", help="With --all: only jobs of this type. Repeatable."
)
@click.pass_obj
def purge(invocation: Invocation, job_ids: tuple[str, ...], everything: bool, types: tuple[str, ...]) -> None:
    """Delete failed jobs and their history. What they have cost stays in the books."""
    with invocation.open_store() as store:
        ids = [each.id for each in _chosen(store, job_ids, everything, invocation.job_types(types))]
        show_count(store.purge(ids), "purged", as_json=invocation.as_json)


def _chosen(store: JobStore, ids: tuple[str, ...], everything: bool, types: list[str]) -> list[JobRecord]:
    if everything == bool(ids):
        raise UsageError("name jobs by their ids, or all of them with --all")
    if everything:
        return store.list(JobFilter(states=[JobState.FAILED], types=types), limit=_ALL)
    records = [existing_job(store, resolve_id(store, each)) for each in ids]
    for record in records:
        if record.status is not JobState.FAILED:
            raise UsageError(f"job {record.id} is {record.status.value}, not failed")
    return records
