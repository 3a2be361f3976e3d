"""``pitchey-run budgets``: how much jobs may cost."""

from __future__ import annotations

import click

from pitchey_core.errors import UnknownName, UsageError
from pitchey_core.pricing import parse_usd
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.budgets import show_budget_events, show_budgets
from pitchey_runner.store.interface import ALL_QUEUES, Budget, BudgetAction, BudgetPeriod, BudgetScope

__all__ = ["budgets_verb"]


@click.group("budgets")
def budgets_verb() -> None:
    """How much jobs may cost in a day, a month or in all; failed and lost attempts count."""


@budgets_verb.command("set")
@click.option("--limit", required=True, metavar="USD", help="Dollars, such as 2.50.")
@click.option("--type", "job_type", metavar="NAME", help="For the jobs of this type.")
@click.option("--queue", metavar="NAME", help="The same: each type has its own queue.")
@click.option("--organization", metavar="NAME", help="For the jobs of this organization.")
@click.option(
    "--per",
    type=click.Choice([each.value for each in BudgetPeriod]),
    default=BudgetPeriod.MONTH.value,
    show_default=True,
    help="In UTC.",
)
@click.option(
    "--action",
    type=click.Choice([each.value for each in BudgetAction]),
    default=BudgetAction.WARN.value,
    show_default=True,
    help="When it is used up: only say so; also let waiting jobs wait; also refuse new ones.",
)
@click.pass_obj
def set_(
    invocation: Invocation,
    limit: str,
    job_type: str | None,
    queue: str | None,
    organization: str | None,
    per: str,
    action: str,
) -> None:
    """Set a budget: for all jobs, or those of a type or an organization."""
    if job_type is not None and queue is not None:
        raise UsageError("--queue means the same as --type", remedy="give one of the two")
    scope, target = _whose(invocation, queue if job_type is None else job_type, organization)
    try:
        budget = Budget(scope, target, BudgetPeriod(per), parse_usd(limit), BudgetAction(action))
    except ValueError as error:
        raise UsageError(f"--limit {limit}: {error}", remedy="write dollars, such as 2.50") from None
    with invocation.open_store() as store:
        show_budgets([store.set_budget(budget)], as_json=invocation.as_json)


@budgets_verb.command("list")
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """List them, with what was spent in the period that runs."""
    with invocation.open_store() as store:
        show_budgets(store.budgets(), as_json=invocation.as_json)


@budgets_verb.command("remove")
@click.argument("name")
@click.pass_obj
def remove(invocation: Invocation, name: str) -> None:
    """Forget a budget, by its name in the list."""
    with invocation.open_store() as store:
        if not store.remove_budget(name):
            raise UnknownName("budget", name, [each.budget.name for each in store.budgets()])


@budgets_verb.command("events")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Most events to list.")
@click.option("--after", type=click.IntRange(0), default=0, help="Only those after the one of this number.")
@click.pass_obj
def events(invocation: Invocation, limit: int, after: int) -> None:
    """Thresholds that were reached: 50, 80 and 100 per cent, each once in a period."""
    with invocation.open_store() as store:
        show_budget_events(store.budget_events(after=after, limit=limit), as_json=invocation.as_json)


def _whose(invocation: Invocation, job_type: str | None, organization: str | None) -> tuple[BudgetScope, str]:
    if job_type is not None and organization is not None:
        raise UsageError("a budget is for a type or for an organization", remedy="set one for each")
    if job_type is not None:
        (name,) = invocation.job_types([job_type])
        return BudgetScope.TYPE, name
    if organization is None:
        return BudgetScope.ALL, ALL_QUEUES
    if not organization:
        raise UsageError("--organization: it has no name")
    return BudgetScope.ORGANIZATION, organization
