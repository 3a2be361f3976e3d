"""Tables that fit the terminal that they are shown on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["print_table"]

_GAP: Final = 2
_MOST_LINES: Final = 2
"""A text that needs more of them in the last column goes beneath its row."""
_NARROW: Final = 8
"""Columns of words are broken as far as this before a number is."""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    numeric: bool
    cells: Sequence[Text]

    @property
    def natural(self) -> int:
        return max(len(self.name), *(cell.cell_len for cell in self.cells))

    @property
    def least(self) -> int:
        """With every number and every word whole."""
        words = [len(word) for word in self.name.split()]
        for cell in self.cells:
            words += [cell.cell_len] if self.numeric else [len(word) for word in cell.plain.split()]
        return max(words, default=0)


def print_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    """Print rows, of which there is at least one. Column names that start with ``>`` are for numbers.

    Where they are too wide, columns with nothing in them are left out, a text in the last column goes beneath its row,
    and no word or number is broken as long as that can be helped.
    """
    every = [
        _Column(name.lstrip(">"), name.startswith(">"), [row[place] for row in rows])
        for place, name in enumerate(columns)
    ]
    if sum(each.natural + 3 for each in every) - 1 <= console.width:
        console.print(_table(every, None, range(len(rows)), show_edge=True))
        return
    kept = [each for each in every if any(cell.plain for cell in each.cells)]
    beneath = None
    if len(kept) > 1 and not kept[-1].numeric:
        left = console.width - sum(each.least + _GAP for each in kept[:-1])
        if left < max(kept[-1].least, kept[-1].natural / _MOST_LINES):
            beneath = kept.pop()
    widths = _widths(kept, console.width)
    console.print()
    if beneath is None:
        console.print(_table(kept, widths, range(len(rows)), show_edge=False))
    else:
        console.print(_table(kept, widths, range(0), show_edge=False))
        for place, cell in enumerate(beneath.cells):
            console.print(_table(kept, widths, range(place, place + 1), show_edge=False, show_header=False))
            if cell.plain:
                _print_indented(console, cell)
    console.print()


def _widths(columns: Sequence[_Column], room: int) -> list[int]:
    widths = [each.natural for each in columns]
    least = [each.least for each in columns]
    words = [0 if each.numeric else _NARROW for each in columns]
    for _ in range(max(0, sum(widths) + _GAP * (len(columns) - 1) - room)):
        places = range(len(columns))
        may_shrink = (
            [place for place in places if widths[place] > least[place]]
            or [place for place in places if not columns[place].numeric and widths[place] > words[place]]
            or [place for place in places if widths[place] > 1]
        )
        if not may_shrink:
            break
        widths[max(may_shrink, key=widths.__getitem__)] -= 1
    return widths


def _table(
    columns: Sequence[_Column],
    widths: Sequence[int] | None,
    places: range,
    *,
    show_edge: bool,
    show_header: bool = True,
) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1) if widths is None else (0, 1, 0, 0),
        header_style="bold",
        show_edge=show_edge,
        show_header=show_header,
    )
    for place, each in enumerate(columns):
        table.add_column(
            each.name,
            justify="right" if each.numeric else "left",
            overflow="fold",
            width=None if widths is None else widths[place],
        )
    for place in places:
        table.add_row(*(each.cells[place] for each in columns))
    return table


def _print_indented(console: Console, text: Text) -> None:
    from rich.padding import Padding

    console.print(Padding(text, (0, 0, 0, 4), expand=False))
