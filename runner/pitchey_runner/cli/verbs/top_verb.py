"""``pitchey-run top``: everything at a glance, live."""

from __future__ import annotations

import sys
import time

import click

from pitchey_core.errors import UsageError
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.output import write_json
from pitchey_runner.telemetry.overview import Observatory

__all__ = ["top_verb"]

_WIDTH_OF_FILES = 100
_CPU_SECONDS = 0.2


@click.command("top")
@click.option(
    "--every", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds between two looks."
)
@click.option("--once", is_flag=True, help="Print one picture and end.")
@click.pass_obj
def top_verb(invocation: Invocation, every: float, once: bool) -> None:
    """Queues, running jobs, this host and what it all costs, live.

    q leaves; the arrows mark a queue, and after Tab a job; p pauses or resumes the queue, c cancels the job.
    With --json, one object a look.
    """
    with invocation.open_store() as store:
        observatory = Observatory(store, invocation.host)
        if invocation.as_json:
            _print_json(observatory, every, once)
        elif once:
            _print_once(observatory)
        elif not sys.stdin.isatty() or not sys.stdout.isatty():
            raise UsageError(
                "top needs a terminal", remedy="--once prints one picture, --json is for programs"
            )
        else:
            from pitchey_runner.cli.top.live import show_live

            show_live(store, observatory, every)


def _print_json(observatory: Observatory, every: float, once: bool) -> None:
    time.sleep(_CPU_SECONDS)
    write_json(observatory.look().as_record())
    while not once:
        sys.stdout.flush()
        time.sleep(every)
        write_json(observatory.look().as_record())


def _print_once(observatory: Observatory) -> None:
    from rich.console import Console

    from pitchey_runner.cli.top.screen import frame

    # How busy the CPUs are is a matter of two looks.
    time.sleep(_CPU_SECONDS)
    width = None if sys.stdout.isatty() else _WIDTH_OF_FILES
    console = Console(highlight=False, width=width)
    view = observatory.look()
    lines = 7 + len(view.queues) + max(1, len(view.running))
    console.print(frame(view, None, width=console.width, height=lines))
