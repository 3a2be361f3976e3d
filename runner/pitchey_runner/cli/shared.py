"""The options that stand before or after every verb."""

from __future__ import annotations

from typing import Any

import click

from pitchey_runner.cli.invocation import Invocation

__all__ = ["SHARED_NAMES", "adopt", "shared_options"]

SHARED_NAMES = frozenset({"store", "json", "no_json", "debug", "help", "version"})


def shared_options() -> list[click.Parameter]:
    """New option objects; their values go into the :class:`~pitchey_runner.cli.invocation.Invocation`."""
    return [
        click.Option(
            ["--store", "_store"],
            metavar="URL",
            expose_value=False,
            is_eager=True,
            callback=_keep,
            help="Job store: sqlite:///PATH, a path, or postgresql://USER@HOST/DATABASE."
            "  [default: PITCHEY_STORE, else in the data directory]",
        ),
        click.Option(
            ["--json/--no-json", "_json"],
            default=None,
            expose_value=False,
            is_eager=True,
            callback=_keep,
            help="JSON on stdout, one object a line.  [default: unless stdout is a terminal]",
        ),
        click.Option(
            ["--debug", "_debug"],
            is_flag=True,
            default=None,
            expose_value=False,
            is_eager=True,
            callback=_keep,
            help="Detailed logs, and tracebacks of unexpected errors.",
        ),
    ]


def adopt(command: click.Command) -> click.Command:
    """Give a command, and those below it, the shared options that it has not got already."""
    taken = {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
    command.params.extend(option for option in shared_options() if not taken & set(option.opts))
    if isinstance(command, click.Group):
        for below in command.commands.values():
            adopt(below)
    return command


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    invocation = ctx.find_object(Invocation)
    if value is None or invocation is None:
        return
    match param.name:
        case "_store":
            invocation.store_url = value
        case "_json":
            invocation.json = value
        case "_debug":
            invocation.debug = value
            _log_everything()


def _log_everything() -> None:
    # Not at the top: --help need not pay for it.
    import logging

    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
