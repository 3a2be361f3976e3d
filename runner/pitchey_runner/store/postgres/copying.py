"""Many rows at once, by ``COPY``: the server has no arrays to parse, and works on one part while the next is made."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import psycopg

from pitchey_runner.store.postgres.watchdog import still_answering
from pitchey_runner.store.sql.connection import Columns

__all__ = ["MANY", "copy"]

MANY: Final = 200
"""From so many rows on it is faster than a prepared statement, which needs one round trip less."""

_INSERT: Final = re.compile(r"\s*INSERT INTO (\w+) \(([\w\s,]+)\)\s*VALUES \(([:\w\s,]+)\)\s*\Z")
_LETTERS_AT_ONCE: Final = 256 << 10
_LETTERS_PER_COPY: Final = 4 << 20
"""The server's patience with a statement counts from its beginning, and so the way of all its rows to the server."""
_NULL: Final = r"\N"
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def copy(raw: psycopg.Connection[Any], statement: str, columns: Columns) -> None:
    """Insert the rows of these columns.

    Args:
        statement: An INSERT of values that it names ``:name``, and nothing else.
    """
    text, names = _copied(statement)
    rows = zip(*(_fields(columns[name]) for name in names), strict=True)
    parts = _parts(map("\t".join, rows))
    part = next(parts, "")
    while part:
        still_answering()
        with raw.cursor().copy(text) as copying:
            left = _LETTERS_PER_COPY
            while part and left > 0:
                copying.write(part)
                left -= len(part)
                part = next(parts, "")


@functools.cache
def _copied(statement: str) -> tuple[str, list[str]]:
    """The COPY for an INSERT, and the names of the values of its columns."""
    insert = _INSERT.match(statement)
    if insert is None:
        raise ValueError(f"not a statement that only inserts given values: {statement}")
    table, into, values = insert.groups()
    return f"COPY {table} ({into}) FROM STDIN", [each.strip().removeprefix(":") for each in values.split(",")]


def _fields(values: Sequence[Any]) -> Iterable[str]:
    """Values in the text format of COPY."""
    if values and values.count(values[0]) == len(values):
        # As most columns of many jobs of one kind.
        return [_field(values[0])] * len(values)
    return map(_field, values)


def _field(value: Any) -> str:
    if value is None:
        return _NULL
    if not isinstance(value, str):
        return str(value)
    # To look costs a fifth of a translation, which few need.
    return value.translate(_ESCAPES) if "\\" in value or not value.isprintable() else value


def _parts(lines: Iterator[str]) -> Iterator[str]:
    part: list[str] = []
    letters = 0
    for line in lines:
        part.append(line)
        letters += len(line)
        if letters >= _LETTERS_AT_ONCE:
            yield "\n".join([*part, ""])
            part, letters = [], 0
    if part:
        yield "\n".join([*part, ""])
