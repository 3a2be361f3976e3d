"""A verb that a plugin adds to ``pitchey-run``."""

from __future__ import annotations

import click

__all__ = ["hello"]


@click.command("test-hello")
@click.option("--name", default="world", show_default=True)
def hello(name: str) -> None:
    """Greet from a plugin."""
    click.echo(f"hello {name}")
