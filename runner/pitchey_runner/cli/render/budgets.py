"""Budgets, and what a job will probably cost."""

from __future__ import annotations

from collections.abc import Sequence

from pitchey_core.pricing import format_usd
from pitchey_runner.cli.render.output import write_json, write_pairs, write_table
from pitchey_runner.cli.render.units import amount, dollars, local_time, seconds
from pitchey_runner.store.interface import BudgetEvent, BudgetStatus, Estimate

__all__ = ["show_budget_events", "show_budgets", "show_estimate"]


def show_budgets(statuses: Sequence[BudgetStatus], *, as_json: bool) -> None:
    """One line for each."""
    if as_json:
        for each in statuses:
            write_json(
                {
                    "name": each.budget.name,
                    "scope": each.budget.scope.value,
                    "target": each.budget.target,
                    "period": each.budget.period.value,
                    "action": each.budget.action.value,
                    "limit_usd": format_usd(each.budget.limit_nanos),
                    "spent_usd": format_usd(each.spent_nanos),
                    "used_up": each.used_up,
                    "ends_at": None if each.ends_at is None else each.ends_at.isoformat(),
                }
            )
        return
    write_table(
        ["name", ">limit", ">spent", ">used", "action", "until"],
        [
            (
                each.budget.name,
                dollars(format_usd(each.budget.limit_nanos)),
                dollars(format_usd(each.spent_nanos)),
                f"{100 * each.spent_nanos // each.budget.limit_nanos} %",
                each.budget.action.value,
                local_time(each.ends_at),
            )
            for each in statuses
        ],
        empty="there are no budgets",
    )


def show_budget_events(events: Sequence[BudgetEvent], *, as_json: bool) -> None:
    """One line for each."""
    if as_json:
        for each in events:
            write_json(
                {
                    "seq": each.seq,
                    "budget": each.budget,
                    "threshold_percent": each.threshold,
                    "at": each.at.isoformat(),
                    "spent_usd": format_usd(each.spent_nanos),
                    "limit_usd": format_usd(each.limit_nanos),
                    "job_id": each.job_id,
                }
            )
        return
    write_table(
        ["time", "budget", ">reached", ">spent", "job"],
        [
            (
                local_time(each.at),
                each.budget,
                f"{each.threshold} %",
                dollars(format_usd(each.spent_nanos)),
                each.job_id,
            )
            for each in events
        ],
        empty="no budget has reached a threshold yet",
    )


def show_estimate(estimate: Estimate) -> None:
    """The middle, and what nineteen of twenty stay within."""
    cost = estimate.cost_nanos
    sizes = (estimate.least_bytes, estimate.most_bytes)
    write_pairs(
        [
            ("learned from", f"{estimate.samples} {'job' if estimate.samples == 1 else 'jobs'}"),
            ("their inputs", None if None in sizes else f"{amount(sizes[0])} to {amount(sizes[1])}"),
            ("time", _range(seconds(estimate.wall_seconds.p50), seconds(estimate.wall_seconds.p95))),
            ("CPU", _range(seconds(estimate.cpu_seconds.p50), seconds(estimate.cpu_seconds.p95))),
            (
                "memory",
                _range(
                    amount(int(estimate.peak_memory_bytes.p50)), amount(int(estimate.peak_memory_bytes.p95))
                ),
            ),
            ("cost", _range(dollars(format_usd(round(cost.p50))), dollars(format_usd(round(cost.p95))))),
        ]
    )


def _range(middle: str, most: str) -> str:
    return f"{middle}, in 19 of 20 cases at most {most}"
