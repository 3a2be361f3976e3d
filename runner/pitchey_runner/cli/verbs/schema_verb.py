"""``pitchey-run schema``: what a processor takes and gives."""

from __future__ import annotations

import json

import click

from pitchey_runner.cli.invocation import Invocation

__all__ = ["schema_verb"]


@click.command("schema")
@click.argument("name")
@click.option("--facts", is_flag=True, help="Of the facts in its results, instead of the payload.")
@click.pass_obj
def schema_verb(invocation: Invocation, name: str, facts: bool) -> None:
    """Print the JSON Schema of the payload of processor NAME."""
    processor = invocation.registry.processor(name)
    model = processor.facts_model if facts else processor.payload_model
    click.echo(json.dumps(model.model_json_schema(), indent=None if invocation.as_json else 2))
