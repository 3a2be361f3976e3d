"""The verb of a processor. Its options are those of the payload model, read when the verb is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

import click

from pitchey_core.hooks import ProcessorSpec, load_target
from pitchey_runner.cli.shared import shared_options

if TYPE_CHECKING:
    from pitchey_core.registry import Registry

__all__ = ["ProcessorCommand", "job_options"]

_PRIORITIES: Final = ("high", "medium", "low")


class ProcessorCommand(click.Command):
    """Runs (``RUN``) or submits (``SUBMIT``) one job of a processor."""

    RUN: ClassVar = "pitchey_runner.cli.verbs.run_verb:run_verb"
    SUBMIT: ClassVar = "pitchey_runner.cli.verbs.submit_verb:submit_one"

    def __init__(self, name: str, spec: ProcessorSpec, registry: Registry, action: str) -> None:
        super().__init__(name, help=f"{spec.summary}.", callback=self._act)
        self.spec = spec
        self._registry = registry
        self._action = action
        self._loaded = False

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        if not self._loaded:
            from pitchey_runner.cli.payload_options import payload_parameters

            own = [*job_options(submit=self._action == self.SUBMIT), *shared_options()]
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


def _description(fields: Any, param: click.Parameter) -> str:
    return str(fields[str(param.name).removeprefix("payload_")].description or "")


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
        delay = click.Option(
            ["--delay"],
            type=click.FloatRange(min=0),
            default=0.0,
            metavar="SECONDS",
            help="Wait before the first run.",
        )
        return [*options, delay]
    return [
        *options,
        click.Option(["--dry-run"], is_flag=True, help="Say what would be done, and do nothing."),
    ]
