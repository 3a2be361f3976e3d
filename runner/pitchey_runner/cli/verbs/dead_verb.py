"""``pitchey-run dead``: the jobs that failed for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from pitchey_core.errors import UsageError
from pitchey_runner.cli.invocation import Invocation, existing_job, resolve_id
from pitchey_runner.cli.render.changes import show_count
from pitchey_runner.cli.render.jobs import show_job, show_jobs
from pitchey_runner.cli.when import SINCE
from pitchey_runner.store.interface import JobEdit, JobFilter, JobState, JobStore, Priority
from pitchey_runner.submission import inputs_of

__all__ = ["dead_verb"]

_ALL = 10_000_000
_FILTERS = (
    click.option(
        "--type", "types", multiple=True, metavar="NAME", help="Only jobs of this type. Repeatable."
    ),
    click.option("--since", type=SINCE, help="Only jobs created since: 24h, 7d, or a date."),
    click.option("--before", type=SINCE, help="Only jobs created before."),
    click.option(
        "--error", "errors", multiple=True, metavar="CLASS", help="Only those of this error. Repeatable."
    ),
    click.option("--organization", metavar="NAME", help="Only jobs of this organization."),
)


def filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that choose dead jobs."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def bulk(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments of what is done to many."""
    command = filters(command)
    command = click.option("--all", "everything", is_flag=True, help="All of them that the filters leave.")(
        command
    )
    return click.argument("job_ids", metavar="[ID...]", nargs=-1)(command)


@click.group("dead")
def dead_verb() -> None:
    """Jobs that failed: by an error that is not retried, or with all their attempts used up."""


@dead_verb.command("list")
@filters
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Most jobs to list.")
@click.pass_obj
def list_(invocation: Invocation, /, limit: int, **chosen: Any) -> None:
    """List them, newest first."""
    with invocation.open_store() as store:
        show_jobs(store.list(_where(invocation, **chosen), limit=limit), as_json=invocation.as_json)


@dead_verb.command("show")
@click.argument("job_id", metavar="ID")
@click.pass_obj
def show(invocation: Invocation, job_id: str) -> None:
    """Show one with the history of its attempts."""
    with invocation.open_store() as store:
        record = existing_job(store, resolve_id(store, job_id))
        show_job(record, store.attempts(record.id), answer="", as_json=invocation.as_json)


@dead_verb.command("edit")
@click.argument("job_id", metavar="ID")
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="KEY=VALUE",
    help="A field of its payload; VALUE is YAML. Repeatable.",
)
@click.option(
    "--unset", "gone", multiple=True, metavar="KEY", help="A field to be the default again. Repeatable."
)
@click.option(
    "--priority", type=click.Choice([each.value for each in Priority]), help="Another place in line."
)
@click.option("--retries", type=click.IntRange(0), help="Attempts after the first.")
@click.option("--instance-type", metavar="NAME", help="CPU and memory to reserve.")
@click.option(
    "--wall-limit", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Longest run."
)
@click.option("--retry", "again", is_flag=True, help="And put it in line again.")
@click.pass_obj
def edit(
    invocation: Invocation,
    job_id: str,
    values: tuple[str, ...],
    gone: tuple[str, ...],
    priority: str | None,
    retries: int | None,
    instance_type: str | None,
    wall_limit: float | None,
    again: bool,
) -> int:
    """Change a failed job, and with --retry run it again."""
    from pitchey_runner.cli.yaml_values import assignments

    host = invocation.host
    with invocation.open_store() as store:
        (wanted,) = _named(store, (job_id,))
        record = existing_job(store, wanted)
        changes = JobEdit(
            priority=None if priority is None else Priority(priority),
            max_attempts=None if retries is None else retries + 1,
            instance_type=None if instance_type is None else host.instance(instance_type).name,
            wall_limit=wall_limit,
        )
        if values or gone:
            kept = {key: value for key, value in record.payload.items() if key not in gone}
            payload = host.normalise(record.type, kept | assignments(values), base=Path.cwd())
            changes = replace(changes, **inputs_of(host, record.type, payload), payload=payload)
        store.edit(wanted, changes)
        (state,) = store.retry([wanted]) if again else [None]
        show_job(existing_job(store, wanted), store.attempts(wanted), answer="", as_json=invocation.as_json)
    if state is JobState.FAILED:
        click.echo(f"{wanted} stays failed: another job has its unique key", err=True)
        return 1
    return 0


@dead_verb.command("retry")
@bulk
@click.pass_obj
def retry(invocation: Invocation, /, job_ids: tuple[str, ...], everything: bool, **chosen: Any) -> None:
    """Put failed jobs in line again."""
    with invocation.open_store() as store:
        states = store.retry(_chosen(invocation, store, job_ids, everything, chosen))
        retried = [state for state in states if state in (JobState.PENDING, JobState.BLOCKED)]
        show_count(len(retried), "retried", as_json=invocation.as_json)


@dead_verb.command("purge")
@bulk
@click.pass_obj
def purge(invocation: Invocation, /, job_ids: tuple[str, ...], everything: bool, **chosen: Any) -> None:
    """Delete failed jobs and their history. What they have cost stays in the books."""
    with invocation.open_store() as store:
        ids = _chosen(invocation, store, job_ids, everything, chosen)
        show_count(store.purge(ids), "purged", as_json=invocation.as_json)


def _where(
    invocation: Invocation,
    *,
    types: tuple[str, ...],
    since: datetime | None,
    before: datetime | None,
    errors: tuple[str, ...],
    organization: str | None,
) -> JobFilter:
    return JobFilter(
        states=[JobState.FAILED],
        types=invocation.job_types(types),
        since=since,
        before=before,
        errors=errors,
        organization_id=organization,
    )


def _chosen(
    invocation: Invocation, store: JobStore, ids: tuple[str, ...], everything: bool, chosen: dict[str, Any]
) -> list[str]:
    if everything == bool(ids) or (ids and any(chosen.values())):
        raise UsageError("name jobs by their ids, or with --all those that the filters leave")
    if everything:
        return [record.id for record in store.list(_where(invocation, **chosen), limit=_ALL)]
    return _named(store, ids)


def _named(store: JobStore, ids: tuple[str, ...]) -> list[str]:
    records = [existing_job(store, resolve_id(store, each)) for each in ids]
    for record in records:
        if record.status is not JobState.FAILED:
            raise UsageError(f"job {record.id} is {record.status.value}, not failed")
    return [record.id for record in records]
