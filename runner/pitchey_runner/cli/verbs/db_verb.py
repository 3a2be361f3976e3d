"""``pitchey-run db``: the store's database."""

from __future__ import annotations

import click

from pitchey_core.storage import display
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.output import write_json, write_pairs

__all__ = ["db_verb"]


@click.group("db")
def db_verb() -> None:
    """The database of the job store."""


@db_verb.command("upgrade")
@click.pass_obj
def upgrade(invocation: Invocation) -> None:
    """Create it, or bring its schema up to date. All workers must have stopped."""
    from pitchey_runner.store.migrations import upgrade as run_migrations

    url = invocation.loaded.settings.store
    _show(invocation, run_migrations(url))


@db_verb.command("status")
@click.pass_obj
def status(invocation: Invocation) -> None:
    """Which schema it has, and which this version of Pitchey works with."""
    from pitchey_runner.store.migrations import schema_revision

    _show(invocation, schema_revision(invocation.loaded.settings.store))


def _show(invocation: Invocation, revision: str | None) -> None:
    from pitchey_runner.store.migrations import HEAD

    url = display(invocation.loaded.settings.store)
    if invocation.as_json:
        write_json({"store": url, "revision": revision, "current": HEAD})
    else:
        write_pairs([("store", url), ("schema", revision or "not there yet"), ("current", HEAD)])
