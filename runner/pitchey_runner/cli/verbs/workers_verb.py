"""``pitchey-run workers``: who works."""

from __future__ import annotations

import click

from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.workers import show_workers

__all__ = ["workers_verb"]


@click.command("workers")
@click.pass_obj
def workers_verb(invocation: Invocation) -> None:
    """Workers of this store on all hosts: what they hold, when they were last heard of, how busy their host is."""
    with invocation.open_store() as store:
        show_workers(store.workers(), store.now(), as_json=invocation.as_json)
