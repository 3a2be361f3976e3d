"""The verb of a processor. Its options are those of the payload model, read when the verb is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

import click

from pitchey_core.errors import UnknownName
from pitchey_core.hooks import ProcessorSpec, load_target
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.shared import shared_options

if TYPE_CHECKING:
    from pitchey_core.registry import Registry

__all__ = ["ProcessorCommand", "Processors", "job_options", "line_options"]

_PRIORITIES: Final = ("high", "medium", "low")


class ProcessorCommand(click.Command):
    """Runs (``RUN``), submits (``SUBMIT``) or schedules (``SCHEDULE``) one job of a processor."""

    RUN: ClassVar = "pitchey_runner.cli.verbs.run_verb:run_verb"
    SUBMIT: ClassVar = "pitchey_runner.cli.verbs.submit_verb:submit_one"
    SCHEDULE: ClassVar = "pitchey_runner.cli.verbs.schedules_verb:schedule_one"

    def __init__(self, name: str, spec: ProcessorSpec, registry: Registry, action: str) -> None:
        super().__init__(name, help=f"{spec.summary}.", callback=self._act)
        self.spec = spec
        self._registry = registry
        self._action = action
        self._loaded = False

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        if not self._loaded:
            from pitchey_runner.cli.payload_options import payload_parameters

            own = [*job_options(submit=self._action != self.RUN), *shared_options()]
            reserved = {"--help"}.union(*((*each.opts, *each.secondary_opts) for each in own))
            model = self._registry.processor(self.spec.name).payload_model
            self.params = [*payload_parameters(model, reserved), *own]
            self._loaded = True
        return super().get_params(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        fields = self._registry.processor(self.spec.name).payload_model.model_fields
        rows = [
            (str(param.metavar), _description(fields, param))
            for param in self.get_params(ctx)
            if isinstance(param, click.Argument)
        ]
        if rows:
            with formatter.section("Arguments"):
                formatter.write_dl(rows)
        super().format_options(ctx, formatter)

    def _act(self, **_: Any) -> Any:
        action: Callable[[click.Context, str], Any] = load_target(self._action)
        return action(click.get_current_context(), self.spec.name)


class Processors(click.Group):
    """A command for each processor, which does ``action`` with it."""

    def __init__(self, name: str, *, action: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._action = action

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(ctx.ensure_object(Invocation).registry.processors)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        registry = ctx.ensure_object(Invocation).registry
        try:
            spec = registry.spec(cmd_name)
        except UnknownName:
            # An option in its place is click's to refuse.
            if cmd_name.startswith("-"):
                return None
            raise
        return ProcessorCommand(cmd_name, spec, registry, self._action)


def _description(fields: Any, param: click.Parameter) -> str:
    return str(fields[str(param.name).removeprefix("payload_")].description or "")


def line_options() -> list[click.Parameter]:
    """Options of a job that waits in line."""
    return [
        click.Option(
            ["--delay"],
            type=click.FloatRange(min=0),
            default=0.0,
            metavar="SECONDS",
            help="Wait before the first run.",
        ),
        click.Option(
            ["--retries"], type=click.IntRange(0), help="Attempts after the first.  [default: the queue's]"
        ),
        click.Option(
            ["--depends-on"],
            multiple=True,
            metavar="ID[:POLICY]",
            help="Wait until job ID is completed. POLICY says what becomes of this one if that fails: "
            "cancel (default), run or hold. Repeatable.",
        ),
        click.Option(
            ["--unique"], metavar="KEY", help="Put nothing in where an unfinished job of that KEY is there."
        ),
        click.Option(
            ["--unique-for"],
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="With --unique: the KEY is taken for so long, instead of until the job is finished.",
        ),
        click.Option(
            ["--key", "concurrency_key"],
            metavar="KEY",
            help="Share --key-limit or --key-rate with the jobs of this queue that have the same KEY.",
        ),
        click.Option(
            ["--key-limit"],
            type=click.IntRange(1),
            metavar="N",
            help="Most jobs of the KEY that run at a time.",
        ),
        click.Option(
            ["--key-rate"], metavar="N/SECONDS", help="Most jobs of the KEY that start in so many seconds."
        ),
        click.Option(["--organization"], default="default", metavar="NAME", help="Who pays for it."),
    ]


def job_options(*, submit: bool) -> list[click.Parameter]:
    """Options of the job itself, beside those of its payload."""
    options: list[click.Parameter] = [
        click.Option(
            ["-o", "--output", "output"],
            metavar="DIR",
            default="pitchey-output",
            show_default=True,
            help="Folder or URL for the outputs.",
        ),
        click.Option(["--overwrite"], is_flag=True, help="Replace outputs that exist."),
        click.Option(
            ["--priority"],
            type=click.Choice(_PRIORITIES),
            default="medium",
            show_default=True,
            help="Place in line.",
        ),
        click.Option(
            ["--wall-limit"],
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="Longest run.  [default: the processor's]",
        ),
        click.Option(
            ["--instance-type"], metavar="NAME", help="CPU and memory to reserve.  [default: the processor's]"
        ),
    ]
    if submit:
        return [*options, *line_options()]
    return [
        *options,
        click.Option(["--dry-run"], is_flag=True, help="Say what would be done, and do nothing."),
    ]
