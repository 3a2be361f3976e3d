"""How a batch goes and ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pitchey_core.pricing import format_usd
from pitchey_core.storage import display, to_url
from pitchey_runner.cli.render.jobs import input_name
from pitchey_runner.cli.render.output import write_json, write_table
from pitchey_runner.cli.render.units import dollars, seconds
from pitchey_runner.cli.text import printable
from pitchey_runner.supervisor.events import Event, JobSettled, Watcher

if TYPE_CHECKING:
    from pitchey_runner.batch import BatchDone

__all__ = ["settled_lines", "show_batch", "show_demo"]


def settled_lines(as_json: bool) -> Watcher:
    """A watcher that tells each end of a job: on stdout as JSON (the Result object), on stderr for people."""

    def watch(event: Event) -> None:
        if not isinstance(event, JobSettled) or not event.state.finished:
            return
        if as_json:
            if event.result is not None:
                write_json(event.result)
            return
        words = f": {event.error.message}" if event.error else ""
        click.echo(printable(f"{event.job_id[:8]} {event.type} {event.state.value}{words}"), err=True)

    return watch


def show_batch(done: BatchDone, *, as_json: bool) -> None:
    """The summary; for people the jobs before it."""
    if as_json:
        write_json(done.summary.as_record())
    else:
        _show_table(done)


def show_demo(done: BatchDone, report: Path, *, as_json: bool) -> None:
    """The same, and where the report is."""
    if as_json:
        write_json({**done.summary.as_record(), "report": to_url(report, Path("/"))})
    else:
        _show_table(done)
        click.echo(f"report: {display(str(report))}")


def _show_table(done: BatchDone) -> None:
    summary = done.summary.as_record()
    rows = [
        (
            record.id[:8],
            input_name(record.payload) or record.type,
            _folder(record.output),
            "skipped" if record.id in done.skipped else record.status.value,
            seconds(record.processing_time_seconds),
            dollars(format_usd(record.cost_nanos)),
            record.error["message"] if record.error else None,
        )
        for record in done.records
    ]
    write_table(["job", "input", "output", "status", ">time", ">cost", "error"], rows, empty="no jobs")
    counts = ", ".join(
        f"{summary[key]} {key}" for key in ("completed", "skipped", "failed", "cancelled") if summary[key]
    )
    click.echo(
        f"{counts or 'nothing done'} · {seconds(summary['wall_seconds'])} · {dollars(summary['cost_usd'])}"
    )


def _folder(output: str | None) -> str:
    """The last two parts of an output: what tells the jobs of a batch apart."""
    return "/".join(display(output).rstrip("/").split("/")[-2:]) if output else ""
