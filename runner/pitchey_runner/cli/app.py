"""The verbs of ``pitchey-run``, each loaded when it is called."""

from __future__ import annotations

from typing import Any, Final

import click

from pitchey_core.errors import PitcheyError, UnknownName
from pitchey_core.hooks import load_target
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.processors import ProcessorCommand
from pitchey_runner.cli.shared import adopt, shared_options
from pitchey_runner.cli.text import printable

__all__ = ["VERBS", "app"]

VERBS: Final = {
    "batch": "Run every job of a file or folder, or what is left of it",
    "submit": "Put a job into the store for a worker",
    "work": "Work on the jobs in the store",
    "top": "Queues, running jobs, host and cost, live",
    "watch": "Follow jobs until they are finished",
    "status": "Show a job with its attempts",
    "why": "Why a job waits, and how long it may take",
    "list": "List jobs, newest first",
    "logs": "Show what a job has logged",
    "cancel": "Cancel jobs, running ones too",
    "retry": "Run failed and cancelled jobs again",
    "dead": "The jobs that failed: list, show, edit, retry, purge",
    "pause": "Pause jobs, running ones too",
    "resume": "Let paused jobs go on",
    "queues": "The queues: list, pause, resume, set",
    "workers": "Who works on the jobs, and how busy each is",
    "schedules": "Jobs by the clock: add, list, remove, pause, resume",
    "cost": "What the jobs have cost",
    "budgets": "How much they may cost: set, list, remove, events",
    "estimate": "What a job will take, after those before it",
    "plugins": "Installed plugins, and those that failed to load",
    "schema": "JSON Schema of a processor's payload or facts",
    "doctor": "Check this host: tools, plugins, store",
    "config": "Effective settings, and where each comes from",
    "db": "The store's database: upgrade, status, export, import, check",
    "demo": "Run a batch over real video, with a report to look at",
}
"""Built-in verbs with their summaries; verb ``x`` is ``x`` in ``pitchey_runner.cli.verbs.x_verb``."""


class App(click.Group):
    """Built-in verbs, verbs of plugins, and one verb for each processor."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        registry = _invocation(ctx).registry
        return [*registry.processors, *VERBS, *registry.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in VERBS:
            command: click.Command = load_target(f"pitchey_runner.cli.verbs.{cmd_name}_verb:{cmd_name}_verb")
            return adopt(command)
        registry = _invocation(ctx).registry
        if cmd_name in registry.commands:
            return adopt(load_target(registry.commands[cmd_name].spec.target))
        try:
            spec = registry.spec(cmd_name)
        except UnknownName:
            return None
        return ProcessorCommand(cmd_name, spec, registry, ProcessorCommand.RUN)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            registry = _invocation(ctx).registry
            aliases = [alias for each in registry.processors.values() for alias in each.spec.aliases]
            raise UnknownName("verb", name, [*self.list_commands(ctx), *aliases])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _section(formatter, "Processors", _processor_rows(ctx))
        _section(formatter, "Jobs and host", list(VERBS.items()))
        try:
            commands = _invocation(ctx).registry.commands
        except PitcheyError:
            return
        _section(formatter, "From plugins", [(name, each.spec.summary) for name, each in commands.items()])


def _processor_rows(ctx: click.Context) -> list[tuple[str, str]]:
    try:
        registry = _invocation(ctx).registry
    except PitcheyError as error:
        # Help is most needed when something is wrong.
        return [("(none)", printable(str(error)))]
    return [(name, each.spec.summary) for name, each in registry.processors.items()]


def _section(formatter: click.HelpFormatter, title: str, rows: list[tuple[str, str]]) -> None:
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)


def _invocation(ctx: click.Context) -> Invocation:
    return ctx.ensure_object(Invocation)


def _version(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"pitchey-run {version('pitchey')}")
        ctx.exit()


app = App(
    "pitchey-run",
    help="Heavy media work on this host: one job here and now, a batch, or a queue that never loses a job.",
    epilog="pitchey-run VERB --help says more about each.",
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_version,
            help="Show the version.",
        ),
        *shared_options(),
    ],
)
