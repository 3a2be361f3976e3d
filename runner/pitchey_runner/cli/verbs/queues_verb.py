"""``pitchey-run queues``: what each queue may do."""

from __future__ import annotations

from dataclasses import replace

import click

from pitchey_core.errors import UsageError
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.queues import show_queue_paused, show_queues
from pitchey_runner.cli.requests import rate_from
from pitchey_runner.store.interface import ALL_QUEUES, JobStore, QueueLimits, QueueRecord
from pitchey_runner.store.new_job import MOST

__all__ = ["queues_verb"]


@click.group("queues", invoke_without_command=True)
@click.pass_context
def queues_verb(ctx: click.Context) -> None:
    """The queues, one for each processor; alone, the same as "queues list". The name * stands for all together."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@queues_verb.command("list")
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """Jobs of each queue, its pauses and its limits."""
    from pitchey_runner.telemetry.overview import Observatory

    with invocation.open_store() as store:
        view = Observatory(store, invocation.host).look()
        show_queues(view, store.queues(), as_json=invocation.as_json)


@queues_verb.command("pause")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.pass_obj
def pause(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Start no more jobs of these queues, on any host. What runs goes on."""
    _pause(invocation, names, paused=True)


@queues_verb.command("resume")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.pass_obj
def resume(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Let these queues go on."""
    _pause(invocation, names, paused=False)


@queues_verb.command("set")
@click.argument("name", metavar="NAME")
@click.option("--max-running", metavar="N|none", help="Most jobs at a time, on all hosts together.")
@click.option("--rate", metavar="N/SECONDS|none", help="Most jobs that start in so many seconds.")
@click.option(
    "--max-slots", metavar="N|none", help="Most jobs at a time on one host, instead of the setting."
)
@click.pass_context
def set_(
    ctx: click.Context, name: str, max_running: str | None, rate: str | None, max_slots: str | None
) -> None:
    """Limit a queue; what is not given stays, "none" takes a limit away. Prints what holds then."""
    invocation: Invocation = ctx.obj
    if max_running is None and rate is None and max_slots is None:
        raise UsageError("nothing to set", remedy="give --max-running, --rate or --max-slots")
    queue = _known(invocation, name)
    with invocation.open_store() as store:
        limits = _limits(store, queue)
        if max_running is not None:
            limits = replace(limits, max_running=_number("--max-running", max_running))
        if max_slots is not None:
            limits = replace(limits, max_slots=_number("--max-slots", max_slots))
        if rate is not None:
            limits = replace(limits, rate=None if rate == "none" else rate_from(rate))
        store.limit_queue(queue, limits)
    ctx.invoke(list_)


def _pause(invocation: Invocation, names: tuple[str, ...], *, paused: bool) -> None:
    queues = [_known(invocation, name) for name in names]
    with invocation.open_store() as store:
        changed = [store.pause_queue(queue, paused=paused) for queue in queues]
    show_queue_paused(queues, changed, paused=paused, as_json=invocation.as_json)


def _known(invocation: Invocation, name: str) -> str:
    return ALL_QUEUES if name == ALL_QUEUES else invocation.registry.spec(name).name


def _limits(store: JobStore, queue: str) -> QueueLimits:
    found: QueueRecord | None = next((each for each in store.queues() if each.name == queue), None)
    return QueueLimits() if found is None else found.limits


def _number(option: str, text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST):
        raise UsageError(f"{option}: {text!r} is neither a number from 1 to {MOST} nor none")
    return int(text)
