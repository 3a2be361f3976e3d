"""``pitchey-run pause``: let jobs rest."""

from __future__ import annotations

import click

from pitchey_runner.cli.invocation import Invocation, resolve_id
from pitchey_runner.cli.render.changes import show_paused

__all__ = ["pause_verb"]


@click.command("pause")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def pause_verb(invocation: Invocation, job_ids: tuple[str, ...]) -> int:
    """Pause jobs. Waiting ones are not started; running ones are frozen where they are by their worker."""
    with invocation.open_store() as store:
        ids = [resolve_id(store, each) for each in job_ids]
        states = store.pause(ids)
    return show_paused(ids, states, paused=True, as_json=invocation.as_json)
