"""``pitchey-run plugins``: what is installed."""

from __future__ import annotations

import click

from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.plugins import show_plugins

__all__ = ["plugins_verb"]


@click.group("plugins", invoke_without_command=True)
@click.pass_context
def plugins_verb(ctx: click.Context) -> None:
    """Installed plugins with what they offer, and those that could not be loaded."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@plugins_verb.command("list")
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """List them; the same as without LIST."""
    show_plugins(invocation.registry, as_json=invocation.as_json)
