"""An UPDATE of one row by its values, made one of many rows by a table of values."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

__all__ = ["Many", "for_many"]

_VALUE = re.compile(r":([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Many:
    """Statements: make the table, fill it row by row, update all, empty it."""

    create: str
    fill: str
    run: str
    clear: str


@functools.cache
def for_many(statement: str) -> Many:
    """Of an UPDATE that names its values ``:name`` and has one ``WHERE``, on a line of its own."""
    names = tuple(dict.fromkeys(_VALUE.findall(statement)))
    table = f"temp.values_of_{abs(hash(statement)):x}"
    # Prefixed, so that no value hides a column of the same name.
    columns = ", ".join(f"v_{name}" for name in names)
    values = ", ".join(f":{name}" for name in names)
    before, where, after = _VALUE.sub(r"given.v_\1", statement).partition("\n WHERE ")
    assert where, f"no WHERE in {statement!r}"
    return Many(
        create=f"CREATE TABLE IF NOT EXISTS {table} ({columns})",
        fill=f"INSERT INTO {table} ({columns}) VALUES ({values})",  # noqa: S608 - only names of ours
        run=f"{before}\n  FROM {table} AS given{where}{after}",
        clear=f"DELETE FROM {table}",  # noqa: S608 - as above
    )
