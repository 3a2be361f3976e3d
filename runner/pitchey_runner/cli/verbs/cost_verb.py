"""``pitchey-run cost``: money."""

from __future__ import annotations

from datetime import datetime

import click

from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.costs import show_costs, show_prices
from pitchey_runner.cli.when import SINCE
from pitchey_runner.store.interface import CostGroup

__all__ = ["cost_verb"]


@click.group("cost", invoke_without_command=True)
@click.option(
    "--by",
    type=click.Choice([each.value for each in CostGroup]),
    default="type",
    show_default=True,
    help="Sum up by.",
)
@click.option("--since", type=SINCE, help="Only attempts since: 24h, 7d, or a date.")
@click.pass_context
def cost_verb(ctx: click.Context, by: str, since: datetime | None) -> None:
    """What the jobs have cost, by type, day, queue or organization, failed and lost attempts included."""
    if ctx.invoked_subcommand is not None:
        return
    invocation = ctx.ensure_object(Invocation)
    with invocation.open_store() as store:
        rows = store.costs(CostGroup(by), since=since)
    show_costs(rows, CostGroup(by), as_json=invocation.as_json)


@cost_verb.command("prices")
@click.pass_obj
def prices(invocation: Invocation) -> None:
    """The prices that apply here."""
    show_prices(invocation.loaded.settings.prices.as_price_book(), as_json=invocation.as_json)
