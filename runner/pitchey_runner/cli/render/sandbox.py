"""What became of the attempts to break out of the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pitchey_core.isolation.attempts import Outcome
from pitchey_runner.cli.render.output import write_json, write_pairs, write_table
from pitchey_runner.cli.text import printable

if TYPE_CHECKING:
    from pitchey_core.isolation.attempts import AttemptResult
    from pitchey_runner.cli.sandbox_diagnosis import SandboxDiagnosis

__all__ = ["show_progress", "show_sandbox"]

_MOST_EVIDENCE = 90


def show_progress(result: AttemptResult) -> None:
    """One line that overwrites itself, for people who wait."""
    click.echo(f"\r\x1b[K{result.number:2} {result.title}", err=True, nl=False)


def show_sandbox(diagnosis: SandboxDiagnosis, *, as_json: bool) -> None:
    """The walls of this host, then each attempt with what stopped it."""
    if as_json:
        write_json(diagnosis.as_record())
        return
    write_pairs(diagnosis.layers.items())
    rows = [
        (
            each.number,
            each.title,
            each.outcome,
            ", ".join(each.by),
            each.evidence
            if each.outcome is Outcome.BREACHED or len(each.evidence) <= _MOST_EVIDENCE
            else f"{each.evidence[:_MOST_EVIDENCE]}…",
            f"{each.seconds:.2f} s",
        )
        for each in diagnosis.attempts
    ]
    write_table([">#", "attempt", "outcome", "stopped by", "seen", ">time"], rows, empty="nothing was tried")
    counts = ", ".join(
        f"{count} {outcome}"
        for outcome in Outcome
        if (count := diagnosis.count(outcome)) or outcome == "stopped"
    )
    click.echo(f"{len(diagnosis.attempts)} attempts: {counts}")
    for each in diagnosis.attempts:
        if each.outcome is Outcome.BREACHED:
            mark = click.style("breach", fg="red", bold=True)
            click.echo(f"{mark}  {each.number} {each.title}: {printable(each.evidence)}")
