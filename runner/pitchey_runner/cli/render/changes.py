"""What became of jobs that were cancelled, retried or purged."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pitchey_runner.cli.render.output import write_json
from pitchey_runner.store.interface import JobState

__all__ = ["show_cancelled", "show_count", "show_paused", "show_retried"]


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
        ended = old in (JobState.FAILED, JobState.CANCELLED)
        retried = ended and new in (JobState.PENDING, JobState.BLOCKED)
        code = code if retried else 1
        if as_json:
            write_json({"job_id": job_id, "status": new, "retried": retried})
        else:
            why = (
                ": another job has its unique key"
                if ended
                else ": only failed and cancelled jobs can be retried"
            )
            why = "" if retried else why
            click.echo(f"{job_id}  {new or 'gone'}{why}", err=not retried)
    return code


def show_paused(ids: Sequence[str], states: Sequence[JobState | None], *, paused: bool, as_json: bool) -> int:
    """One line for each job; the exit code is 1 if one has ended before."""
    for job_id, state in zip(ids, states, strict=True):
        if as_json:
            write_json({"job_id": job_id, "status": state, "paused": paused})
        elif state is None or state.finished:
            click.echo(f"{job_id}  {state or 'gone'} already", err=True)
        elif paused:
            running = state is JobState.PROCESSING
            click.echo(f"{job_id}  {'running: its worker was told to freeze it' if running else 'paused'}")
        else:
            click.echo(f"{job_id}  goes on")
    return int(any(state is None or state.finished for state in states))


def show_count(count: int, what: str, *, as_json: bool) -> None:
    """How many jobs something was done to."""
    if as_json:
        write_json({what: count})
    else:
        click.echo(f"{count} {'job' if count == 1 else 'jobs'} {what}")
