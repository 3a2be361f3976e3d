"""``pitchey-run schedules``: jobs by the clock."""

from __future__ import annotations

from pathlib import Path

import click

from pitchey_core.errors import UnknownName, UsageError
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.processors import ProcessorCommand, Processors
from pitchey_runner.store.queue_records import Missed, NewSchedule

__all__ = ["schedule_one", "schedules_verb"]


@click.group("schedules")
def schedules_verb() -> None:
    """Jobs that are put into the store by the clock, by whichever worker runs then: one for each time."""


schedules_verb.add_command(
    Processors(
        "add",
        action=ProcessorCommand.SCHEDULE,
        help="Add a schedule, or replace the one of that NAME. CRON has five fields: minute hour day month "
        "weekday.",
        subcommand_metavar="PROCESSOR [INPUT] [OPTIONS]",
        params=[
            click.Argument(["name"], metavar="NAME"),
            click.Argument(["cron"], metavar="CRON"),
            click.Option(
                ["--timezone"],
                default="UTC",
                show_default=True,
                metavar="ZONE",
                help="In which CRON is read.",
            ),
            click.Option(
                ["--missed"],
                type=click.Choice([each.value for each in Missed]),
                default=Missed.SKIP.value,
                show_default=True,
                help="What to do about times at which no worker ran: skip them, or run once for all.",
            ),
        ],
    )
)


def schedule_one(ctx: click.Context, processor: str) -> None:
    """Put one schedule into the store, and show it."""
    from pitchey_runner.cli.render.schedules import show_schedules
    from pitchey_runner.cli.requests import request_from
    from pitchey_runner.submission import new_job

    assert ctx.parent is not None
    options = ctx.parent.params
    if ctx.params.get("depends_on"):
        raise UsageError("a scheduled job depends on no other", remedy="leave out --depends-on")
    invocation = ctx.ensure_object(Invocation)
    template = new_job(invocation.host, request_from(ctx, processor), base=Path.cwd())
    schedule = NewSchedule(
        options["name"],
        options["cron"],
        template,
        timezone=options["timezone"],
        missed=Missed(options["missed"]),
    )
    with invocation.open_store() as store:
        store.set_schedule(schedule)
        added = [each for each in store.schedules() if each.schedule.name == schedule.name]
    show_schedules(added, as_json=invocation.as_json)


@schedules_verb.command("list")
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """List them, with the times of their next and last jobs."""
    from pitchey_runner.cli.render.schedules import show_schedules

    with invocation.open_store() as store:
        show_schedules(store.schedules(), as_json=invocation.as_json)


@schedules_verb.command("remove")
@click.argument("name")
@click.pass_obj
def remove(invocation: Invocation, name: str) -> None:
    """Forget a schedule. The jobs that came from it stay."""
    with invocation.open_store() as store:
        if not store.remove_schedule(name):
            raise UnknownName("schedule", name, [each.schedule.name for each in store.schedules()])


@schedules_verb.command("pause")
@click.argument("name")
@click.pass_obj
def pause(invocation: Invocation, name: str) -> None:
    """Let a schedule rest. What it misses is not made up for."""
    _enable(invocation, name, enabled=False)


@schedules_verb.command("resume")
@click.argument("name")
@click.pass_obj
def resume(invocation: Invocation, name: str) -> None:
    """Let a schedule go on with its next time."""
    _enable(invocation, name, enabled=True)


def _enable(invocation: Invocation, name: str, *, enabled: bool) -> None:
    from pitchey_runner.cli.render.schedules import show_schedules

    with invocation.open_store() as store:
        known = store.enable_schedule(name, enabled=enabled)
        schedules = store.schedules()
    if not known:
        raise UnknownName("schedule", name, [each.schedule.name for each in schedules])
    show_schedules([each for each in schedules if each.schedule.name == name], as_json=invocation.as_json)
