"""Values of cells as text: dates in ISO form, numbers without the noise of binary fractions, ranges by their name."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["cell_range", "cell_text", "trimmed"]

_LARGEST_WHOLE: Final = 1e15
_MIDNIGHT: Final = dt.time()


def cell_text(value: Any) -> str:
    """One value.

    Spreadsheets keep 15 significant digits; a float has 17, and the last two are noise (0.1 + 0.2).
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        if math.isfinite(value) and value == int(value) and abs(value) < _LARGEST_WHOLE:
            return str(int(value))
        return f"{value:.15g}"
    if isinstance(value, dt.datetime):
        if value.time() == _MIDNIGHT:
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec="auto" if value.microsecond else "seconds")
    if isinstance(value, dt.timedelta):
        return _duration(value)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return str(value)


def _duration(value: dt.timedelta) -> str:
    seconds = value.total_seconds()
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{sign}{int(minutes // 60)}:{int(minutes % 60):02}:{rest:06.3f}".removesuffix(".000")


def cell_range(first_row: int, first_column: int, rows: int, columns: int) -> str:
    """As spreadsheets write it, for example ``A1:D20``; numbers are from 0."""
    begin = f"{_letters(first_column)}{first_row + 1}"
    end = f"{_letters(first_column + columns - 1)}{first_row + rows}"
    return begin if begin == end else f"{begin}:{end}"


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(65 + digit) + letters
    return letters


def trimmed(rows: Sequence[Sequence[str]]) -> tuple[int, int, list[list[str]]]:
    """Without empty rows and columns at the edges: how many were cut at the top and at the left, and the rest."""
    filled = [number for number, row in enumerate(rows) if any(row)]
    if not filled:
        return 0, 0, []
    top, bottom = filled[0], filled[-1] + 1
    kept = rows[top:bottom]
    left = min(next(at for at, text in enumerate(row) if text) for row in kept if any(row))
    right = max(
        next(len(row) - at for at, text in enumerate(reversed(row)) if text) for row in kept if any(row)
    )
    return top, left, [[*row[left:right], *[""] * (right - max(len(row), left))] for row in kept]
