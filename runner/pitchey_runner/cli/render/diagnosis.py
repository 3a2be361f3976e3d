"""The doctor's findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pitchey_runner.cli.render.output import write_json, write_pairs, write_table
from pitchey_runner.cli.render.units import amount
from pitchey_runner.cli.text import printable

if TYPE_CHECKING:
    from pitchey_core.errors import PitcheyError
    from pitchey_core.tools import ToolStatus
    from pitchey_runner.cli.diagnosis import Diagnosis

__all__ = ["show_diagnosis"]


def show_diagnosis(diagnosis: Diagnosis, *, as_json: bool) -> None:
    """Host, tools, processors, store; then every problem with its remedy."""
    if as_json:
        write_json(diagnosis.as_record())
        return
    host = dict(diagnosis.host)
    host["memory"] = amount(host.pop("memory_bytes"))
    host["memory for jobs"] = amount(host.pop("memory_for_jobs_bytes"))
    host["vCPUs for jobs"] = f"{host.pop('vcpus_for_jobs'):g}"
    host["limits enforced by"] = host.pop("limits_enforced_by")
    host["free in data_dir"] = amount(host.pop("data_dir_free_bytes"))
    write_pairs(
        [*host.items(), ("store", diagnosis.store["url"]), ("schema", diagnosis.store["revision"] or "new")]
    )
    rows = [
        (
            each.name,
            "missing" if each.error else "ok",
            each.version,
            each.source,
            each.path,
            ", ".join(diagnosis.needed_by.get(each.name, [])),
            _capabilities(each),
        )
        for each in diagnosis.tools
    ]
    write_table(
        ["tool", "state", "version", "from", "path", "needed by", "can"],
        rows,
        empty="no plugin needs external programs",
    )
    # What no processor needs has a state in the table, and that is enough.
    problems = [
        str(each.error) for each in diagnosis.tools if each.error and diagnosis.needed_by.get(each.name)
    ]
    problems += [str(error) for error in diagnosis.processors.values() if error]
    problems += diagnosis.plugin_failures
    problems += [_with_remedy(diagnosis.store_error)] if diagnosis.store_error else []
    for problem in problems:
        click.echo(f"{click.style('problem', fg='red', bold=True)}  {printable(problem)}")
    for name, (wanted, given) in diagnosis.reduced.items():
        click.echo(f"note     {name}: its jobs get {amount(given)} of memory instead of {amount(wanted)}")
    if not problems:
        click.echo("everything is there")


def _with_remedy(error: PitcheyError) -> str:
    return f"store: {error}"


def _capabilities(status: ToolStatus) -> str:
    shown = []
    for name, value in status.capabilities.items():
        if value is True:
            shown.append(name)
        elif isinstance(value, list | tuple):
            shown.append(
                f"{name}: {', '.join(map(str, value))}" if len(value) <= 8 else f"{name}: {len(value)}"
            )
        elif isinstance(value, str | int | float) and value is not False:
            shown.append(f"{name}: {value}")
    return "; ".join(shown)
