"""``pitchey-run resume``: the end of a pause."""

from __future__ import annotations

import click

from pitchey_runner.cli.invocation import Invocation, resolve_id
from pitchey_runner.cli.render.changes import show_paused

__all__ = ["resume_verb"]


@click.command("resume")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def resume_verb(invocation: Invocation, job_ids: tuple[str, ...]) -> int:
    """Let paused jobs go on."""
    with invocation.open_store() as store:
        ids = [resolve_id(store, each) for each in job_ids]
        states = store.resume(ids)
    return show_paused(ids, states, paused=False, as_json=invocation.as_json)
