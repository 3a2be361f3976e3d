"""What became of jobs that were cancelled, retried or purged."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pitchey_runner.cli.render.output import write_json
from pitchey_runner.store.interface import JobState

__all__ = ["show_cancelled", "show_count", "show_retried"]


def show_cancelled(ids: Sequence[str], states: Sequence[JobState | None], *, as_json: bool) -> None:
    """One line for each job."""
    for job_id, state in zip(ids, states, strict=True):
        if as_json:
            write_json({"job_id": job_id, "status": state})
        elif state is JobState.CANCELLED:
            click.echo(f"{job_id}  cancelled")
        elif state is JobState.PROCESSING:
            click.echo(f"{job_id}  running: its worker was told to stop it")
        else:
            click.echo(f"{job_id}  {state or 'gone'} already")


def show_retried(
    ids: Sequence[str], before: Sequence[JobState | None], after: Sequence[JobState | None], *, as_json: bool
) -> int:
    """One line for each job; the exit code is 1 if one could not be put in line."""
    code = 0
    for job_id, old, new in zip(ids, before, after, strict=True):
        retried = old in (JobState.FAILED, JobState.CANCELLED) and new is JobState.PENDING
        code = code if retried else 1
        if as_json:
            write_json({"job_id": job_id, "status": new, "retried": retried})
        else:
            why = "" if retried else ": only failed and cancelled jobs can be retried"
            click.echo(f"{job_id}  {new or 'gone'}{why}", err=not retried)
    return code


def show_count(count: int, what: str, *, as_json: bool) -> None:
    """How many jobs something was done to."""
    if as_json:
        write_json({what: count})
    else:
        click.echo(f"{count} {'job' if count == 1 else 'jobs'} {what}")
