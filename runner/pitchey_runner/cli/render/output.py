"""JSON for programs, tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click

from pitchey_runner.cli.render.tables import print_table
from pitchey_runner.cli.text import printable

__all__ = ["write_json", "write_pairs", "write_table"]

_WIDTH_OF_FILES: Final = 160


def write_json(data: Mapping[str, Any]) -> None:
    """One object on one line of stdout, where whoever reads finds it at once.

    Raises:
        BrokenPipeError: Nobody reads any more.
    """
    # Not by click.echo, which asks anew for each line what kind of stream this is: JSON has nothing to be stripped of.
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()


def write_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str, err: bool = False
) -> None:
    """A table, or the words for an empty one. Column names that start with ``>`` are for numbers."""
    from rich.console import Console
    from rich.text import Text

    shown = [[Text(cell, style=_STYLES.get(cell, "")) for cell in map(_cell, row)] for row in rows]
    if not shown:
        click.echo(empty, err=err)
        return
    stream = sys.stderr if err else sys.stdout
    console = Console(file=stream, highlight=False, width=None if stream.isatty() else _WIDTH_OF_FILES)
    print_table(console, columns, shown)


def _cell(value: object) -> str:
    return "" if value is None else printable(str(value))


def write_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one pair a line; pairs without value are left out."""
    shown = [(name, printable(str(value))) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        first, *rest = value.split("\n")
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {first}")
        for line in rest:
            click.echo(f"{' ' * width}  {line}")


_STYLES: Final = {
    "completed": "green",
    "ok": "green",
    "processing": "cyan",
    "failed": "red",
    "missing": "red",
    "broken": "red",
    "lost": "yellow",
    "cancelled": "yellow",
    "scheduled": "blue",
}
