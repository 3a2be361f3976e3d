"""What a job would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pitchey_runner.cli.render.output import write_pairs, write_table
from pitchey_runner.cli.render.units import amount, dollars, seconds
from pitchey_runner.cli.text import printable

if TYPE_CHECKING:
    from pitchey_core.processor import Plan

__all__ = ["show_plan"]


def show_plan(plan: Plan) -> None:
    """The steps as a table, with the predictions."""
    click.echo(printable(plan.summary))
    rows = [(step.subject, step.action, step.detail, step.reason) for step in plan.steps]
    write_table(["what", "action", "to", "why"], rows, empty="nothing to do")
    write_pairs(
        [
            ("predicted time", seconds(plan.wall_seconds) or None),
            ("predicted CPU", seconds(plan.cpu_seconds) or None),
            ("predicted size", amount(plan.output_bytes) or None),
            ("predicted cost", dollars(plan.cost_usd) or None),
        ]
    )
