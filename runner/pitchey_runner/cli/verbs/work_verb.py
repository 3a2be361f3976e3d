"""``pitchey-run work``: a worker."""

from __future__ import annotations

from functools import partial

import anyio
import click

from pitchey_runner.cli.failures import INTERRUPTED
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.batches import settled_lines
from pitchey_runner.store.interface import JobState
from pitchey_runner.supervisor import Event, JobSettled, Supervisor
from pitchey_runner.telemetry import telemetry, together

__all__ = ["work_verb"]


@click.command("work")
@click.option(
    "--drain", is_flag=True, help="End when nothing is left to do; jobs that wait for a first run stay."
)
@click.option("--types", metavar="A,B", help="Only jobs of these types.  [default: all that are installed]")
@click.option(
    "--slots", type=click.IntRange(1), metavar="N", help="Most jobs at a time.  [default: what the host can]"
)
@click.option(
    "--metrics",
    metavar="HOST:PORT",
    help="Answer Prometheus there.  [default: the setting telemetry.metrics]",
)
@click.option(
    "--traces", metavar="URL", help="Send OpenTelemetry spans there.  [default: the setting telemetry.traces]"
)
@click.pass_obj
def work_verb(
    invocation: Invocation,
    drain: bool,
    types: str | None,
    slots: int | None,
    metrics: str | None,
    traces: str | None,
) -> int:
    """Work on the jobs in the store.

    Ctrl-C or SIGTERM finishes what runs; a second one stops at once and puts it in line again.
    """
    names = [name.strip() for name in types.split(",") if name.strip()] if types else None
    failed: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, JobSettled) and event.state is JobState.FAILED:
            failed.append(event.job_id)

    say = partial(click.echo, err=True)
    settings = invocation.settings(**{"telemetry.metrics": metrics, "telemetry.traces": traces})
    with (
        invocation.open_store(patience=settings.timing.store_wait) as store,
        telemetry(settings, store, invocation.host, say) as tools,
    ):
        watch = together(note, settled_lines(invocation.as_json), *tools)
        supervisor = Supervisor(store, invocation.host, types=names, max_slots=slots, watcher=watch)
        anyio.run(partial(supervisor.run, drain=drain))
    if supervisor.interrupted:
        return INTERRUPTED
    return 1 if failed else 0
