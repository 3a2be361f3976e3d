"""``pitchey-run status``: one job."""

from __future__ import annotations

import click

from pitchey_runner.cli.answers import answer_of
from pitchey_runner.cli.invocation import Invocation, existing_job, resolve_id
from pitchey_runner.cli.render.jobs import show_job

__all__ = ["status_verb"]


@click.command("status")
@click.argument("job_id", metavar="ID")
@click.pass_obj
def status_verb(invocation: Invocation, job_id: str) -> None:
    """Show a job with its attempts. ID may be the beginning of one."""
    with invocation.open_store() as store:
        record = existing_job(store, resolve_id(store, job_id))
        attempts = store.attempts(record.id)
    answer = "" if invocation.as_json else answer_of(invocation.registry, record.type, record.result)
    show_job(record, attempts, answer=answer, as_json=invocation.as_json)
