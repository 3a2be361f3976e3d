"""Statements for one row of values, made statements for many.

A call of SQLite lets go of the interpreter's lock, and where other threads want it comes by it late: one call for a
hundred rows is that much sooner done than a hundred calls. Values are bound by place, since it takes five times as
long to look up their names.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Any

__all__ = ["ForMany"]

_VALUE = re.compile(r":([a-z_]+)")
_INSERT = re.compile(r"\s*(INSERT INTO .*?\bVALUES)\s*(\(.*?\))\s*(ON CONFLICT.*|)\Z", re.DOTALL)
_AT_ONCE = (128, 16, 4, 1)
"""A statement is prepared for each of these lengths."""


class ForMany:
    """A statement that names its values ``:name``: an INSERT of one row, or an UPDATE with one ``WHERE``, on a line of
    its own.

    Raises:
        ValueError: It is neither.
    """

    def __init__(self, statement: str) -> None:
        names = _VALUE.findall(statement)
        if insert := _INSERT.match(statement):
            head, row, rest = insert.groups()
            # Once for each place, however often a name stands there.
            self._text = functools.cache(
                lambda rows: f"{head} {', '.join([_VALUE.sub('?', row)] * rows)} {rest}"
            )
        else:
            names = list(dict.fromkeys(names))
            columns = {name: f"given.column{place}" for place, name in enumerate(names, start=1)}
            by_column = _VALUE.sub(lambda match: columns[match[1]], statement)
            before, where, after = by_column.partition("\n WHERE ")
            if not where or not before.lstrip().startswith("UPDATE"):
                raise ValueError(f"not a statement for many rows: {statement}")
            row = f"({', '.join('?' * len(names))})"
            self._text = functools.cache(
                lambda rows: f"{before}\n  FROM (VALUES {', '.join([row] * rows)}) AS given{where}{after}"
            )
        self._names = names
        self._values: Callable[[Mapping[str, Any]], Sequence[Any]] = itemgetter(*names)

    def calls(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
        """The calls that it takes: text and values of each."""
        return self._calls(len(rows), map(self._values, rows))

    def calls_for(self, columns: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
        """The same for rows that are given column by column."""
        wanted = [columns[name] for name in self._names]
        return self._calls(len(wanted[0]), zip(*wanted, strict=True))

    def _calls(self, count: int, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
        values = chain.from_iterable(rows)
        for length in _AT_ONCE:
            while count >= length:
                count -= length
                yield self._text(length), list(islice(values, length * len(self._names)))
