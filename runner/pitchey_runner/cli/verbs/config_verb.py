"""``pitchey-run config``: the settings."""

from __future__ import annotations

import click

from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.output import write_json, write_table

__all__ = ["config_verb"]


@click.command("config")
@click.pass_obj
def config_verb(invocation: Invocation) -> None:
    """Print the effective settings, and whether pitchey.toml, environment or command line has set them."""
    rows = invocation.loaded.rows()
    if invocation.as_json:
        for key, value, source in rows:
            write_json({"key": key, "value": value, "source": source})
    else:
        write_table(["key", "value", "source"], rows, empty="no settings")
