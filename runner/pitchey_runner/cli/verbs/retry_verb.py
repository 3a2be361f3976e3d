"""``pitchey-run retry``: run jobs again."""

from __future__ import annotations

import click

from pitchey_runner.cli.invocation import Invocation, resolve_id
from pitchey_runner.cli.render.changes import show_retried

__all__ = ["retry_verb"]


@click.command("retry")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def retry_verb(invocation: Invocation, job_ids: tuple[str, ...]) -> int:
    """Put failed and cancelled jobs in line again, with all their attempts before them."""
    with invocation.open_store() as store:
        ids = [resolve_id(store, each) for each in job_ids]
        before = [store.get(each) for each in ids]
        states = store.retry(ids)
    return show_retried(
        ids, [each.status if each else None for each in before], states, as_json=invocation.as_json
    )
