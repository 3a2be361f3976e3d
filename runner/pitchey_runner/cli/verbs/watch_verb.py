"""``pitchey-run watch``: follow jobs."""

from __future__ import annotations

import click

from pitchey_core.errors import UsageError
from pitchey_runner.cli.following import Follower
from pitchey_runner.cli.invocation import Invocation, resolve_id
from pitchey_runner.cli.render.happenings import HappeningLines
from pitchey_runner.cli.verbs.list_verb import batch_id_from
from pitchey_runner.library.changes import until
from pitchey_runner.library.showing import showing
from pitchey_runner.store.interface import JobFilter

__all__ = ["watch_verb"]


@click.command("watch")
@click.argument("job_ids", metavar="[ID]...", nargs=-1)
@click.option("--batch", metavar="FILE|ID", help="The jobs of this batch.")
@click.pass_obj
def watch_verb(invocation: Invocation, job_ids: tuple[str, ...], batch: str | None) -> int:
    """Follow jobs until all of them are finished; without ID and --batch, follow every job until Ctrl-C.

    The exit code is 1 if one of them failed or was cancelled. ID may be the beginning of one.
    """
    if job_ids and batch is not None:
        raise UsageError("give either IDs or --batch, not both")
    with invocation.open_store() as store:
        ids = [resolve_id(store, each) for each in job_ids]
        batch_id = batch_id_from(batch)
        if batch_id is not None and not store.list(JobFilter(batch_id=batch_id), limit=1):
            raise UsageError(f"batch {batch!r} has no jobs in this store", remedy="pitchey-run list")
        with showing(invocation.live and bool(ids or batch)) as view:
            follower = Follower(
                store, ids, batch_id=batch_id, tell=HappeningLines(as_json=invocation.as_json), view=view
            )
            until(store, follower.look, None)
    return 0 if follower.all_completed else 1
