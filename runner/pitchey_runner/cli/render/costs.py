"""Costs and prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from pitchey_core.pricing import PriceBook, format_usd
from pitchey_runner.cli.render.output import write_json, write_pairs, write_table
from pitchey_runner.cli.render.units import dollars, seconds
from pitchey_runner.store.interface import CostGroup, CostRow

__all__ = ["show_costs", "show_prices"]


def show_costs(rows: Sequence[CostRow], by: CostGroup, *, as_json: bool) -> None:
    """A line for each type or day, and for people the sum."""
    if as_json:
        for row in rows:
            write_json(
                {
                    by.value: row.key,
                    "jobs": row.jobs,
                    "attempts": row.attempts,
                    "wall_seconds": row.wall_seconds,
                    "cpu_seconds": row.cpu_seconds,
                    "cost_usd": format_usd(row.cost_nanos),
                }
            )
        return
    lines = [
        (
            row.key,
            row.jobs,
            row.attempts,
            seconds(row.wall_seconds),
            seconds(row.cpu_seconds),
            _usd(row.cost_nanos),
        )
        for row in rows
    ]
    if len(rows) > 1:
        total = (
            "all",
            sum(row.jobs for row in rows),
            sum(row.attempts for row in rows),
            seconds(sum(row.wall_seconds for row in rows)),
            seconds(sum(row.cpu_seconds for row in rows)),
            _usd(sum(row.cost_nanos for row in rows)),
        )
        lines.append(total)
    write_table(
        [by.value, ">jobs", ">attempts", ">time", ">CPU", ">cost"],
        lines,
        empty="nothing has cost anything yet",
    )


def show_prices(prices: PriceBook, *, as_json: bool) -> None:
    """Prices in dollars per unit."""
    shown = {name: format_usd(nanos) for name, nanos in asdict(prices).items()}
    if as_json:
        write_json(shown)
    else:
        write_pairs((name.replace("_", " "), dollars(price)) for name, price in shown.items())


def _usd(nanos: int) -> str:
    return dollars(format_usd(nanos))
