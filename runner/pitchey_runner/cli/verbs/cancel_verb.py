"""``pitchey-run cancel``: stop jobs."""

from __future__ import annotations

import click

from pitchey_runner.cli.invocation import Invocation, resolve_id
from pitchey_runner.cli.render.changes import show_cancelled

__all__ = ["cancel_verb"]


@click.command("cancel")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def cancel_verb(invocation: Invocation, job_ids: tuple[str, ...]) -> None:
    """Cancel jobs. Running ones are stopped with everything they started; finished ones stay as they are."""
    with invocation.open_store() as store:
        ids = [resolve_id(store, each) for each in job_ids]
        states = store.cancel(ids)
    show_cancelled(ids, states, as_json=invocation.as_json)
