"""``pitchey-run why``: what a job waits for."""

from __future__ import annotations

import click

from pitchey_core.errors import UnknownName
from pitchey_runner.cli.invocation import Invocation, existing_job, resolve_id
from pitchey_runner.cli.render.reasons import show_reasons
from pitchey_runner.store.interface import most_slots

__all__ = ["why_verb"]


@click.command("why")
@click.argument("job_id", metavar="ID")
@click.pass_obj
def why_verb(invocation: Invocation, job_id: str) -> None:
    """Why a job waits: every reason that holds now, what to do about it, and when it may begin.

    ID may be the beginning of one.
    """
    with invocation.open_store() as store:
        found = resolve_id(store, job_id)
        explanation = store.why(found)
        if explanation is None:
            raise UnknownName("job", job_id, (), remedy="pitchey-run list shows the jobs of this store")
        record = existing_job(store, found)
        slots = None
        if record.type in invocation.registry.processors:
            slots = most_slots(store.queues(), record.type, invocation.host.queue(record.type).max_slots)
        show_reasons(
            explanation,
            record,
            store.now(),
            slots=slots,
            as_json=invocation.as_json,
        )
