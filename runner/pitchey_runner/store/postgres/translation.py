"""From the statements that the drivers share, which are SQLite's SQL, to Postgres's.

A statement for many rows becomes one statement: its values come as one array per name, through ``unnest``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

__all__ = ["ORDINAL", "Translated", "as_array", "as_text", "columns_of", "for_many", "translate"]

ORDINAL = "p_ordinal"
"""Column of an answer to a statement for many rows: which row of values, from 1."""

_NAME = re.compile(r"(?<![:\w]):([a-z_]\w*)")
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        (r"\s+INDEXED BY \w+", ""),
        (r"SELECT value FROM json_each\(([^()]+)\)", r"SELECT json_array_elements_text(CAST(\1 AS json))"),
        (
            r"date\(([^(),]+), 'unixepoch'\)",
            r"to_char(to_timestamp(\1) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
        ),
        # The row is named already; in a table that was never analyzed the planner would rather read through the partial
        # indexes that these conditions imply.
        (r"(\bid = :id AND claim_seq = :claim_seq AND )state = ", r"\1coalesce(state, '') = "),
        (r"(coalesce\(state, ''\) = 'processing' AND )worker_id = ", r"\1coalesce(worker_id, '') = "),
        # An array is made once. A subselect in its place may be run again by the plan, and then take more rows.
        (
            r"(\w+) IN \(\s*(SELECT \w+ FROM [^()]*?)/\* TAKE \*/\s*\)",
            r"\1 = ANY (ARRAY(\2 FOR NO KEY UPDATE SKIP LOCKED))",
        ),
        (r"/\* TAKE \*/", "FOR NO KEY UPDATE SKIP LOCKED"),
    )
)
_INSERT = re.compile(r"\s*(INSERT INTO .*?)\bVALUES\s*\((.*?)\)\s*(ON CONFLICT.*|RETURNING.*|)\Z", re.DOTALL)
_UPDATE = re.compile(r"\s*(UPDATE \w+\s+SET .*?)\s(WHERE\s.*?)\s*(?:RETURNING (.*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Translated:
    """A statement in Postgres's SQL.

    Attributes:
        template: With ``:name`` for each value.
        text: As psycopg wants it.
        names: Of its values, in the order of their numbers in ``numbered``.
        numbered: As the server's own ``PREPARE`` wants it.
    """

    template: str
    text: str
    names: tuple[str, ...]
    numbered: str


@lru_cache(maxsize=1024)
def translate(statement: str) -> Translated:
    """The statement for one row of values."""
    template = statement
    for pattern, replacement in _RULES:
        template = pattern.sub(replacement, template)
    names = tuple(dict.fromkeys(_NAME.findall(template)))
    numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
    return Translated(
        template,
        _NAME.sub(r"%(\1)s", template.replace("%", "%%")),
        names,
        _NAME.sub(lambda match: numbers[match[1]], template),
    )


def for_many(statement: Translated, types: Mapping[str, str]) -> str:
    """The statement for arrays of values, as psycopg wants it.

    Args:
        types: The type of each value, as the server names it.

    Raises:
        ValueError: It is neither an ``INSERT`` of one row nor an ``UPDATE``.
    """
    text = _NAME.sub(r"p_\1", statement.template.replace("%", "%%"))
    arrays = ", ".join(f"%({name})s::{types[name]}[]" for name in statement.names)
    columns = ", ".join(f"p_{name}" for name in statement.names)
    given = f"unnest({arrays}) WITH ORDINALITY AS given ({columns}, {ORDINAL})"
    if insert := _INSERT.match(text):
        into, values, rest = insert.groups()
        return f"{into} SELECT {values} FROM {given} ORDER BY {ORDINAL} {rest}"  # noqa: S608 - made of our own statements
    if update := _UPDATE.match(text):
        head, where, returning = update.groups()
        answer = "" if returning is None else f" RETURNING {returning}"
        if returning is not None and returning.strip() != "*":
            answer += f", {ORDINAL}"
        return f"{head} FROM {given} {where}{answer}"
    raise ValueError(f"not a statement for many rows: {statement.template}")


def as_text(value: Any) -> str | None:
    """A value as Postgres reads it, whatever type it is to have: only so is each statement prepared once."""
    if value is None or isinstance(value, str):
        return value
    return str(value)


def as_array(values: Sequence[Any], type_name: str) -> str:
    """An array of them."""
    quoted = type_name in _TEXTS
    if values and values.count(values[0]) == len(values):
        # As most columns of many jobs of one kind.
        elements = [_element(values[0], quoted=quoted)] * len(values)
    else:
        elements = [_element(value, quoted=quoted) for value in values]
    return "{" + ",".join(elements) + "}"


def columns_of(rows: Sequence[Mapping[str, Any]], names: Collection[str]) -> dict[str, Sequence[Any]]:
    """Values by name."""
    if len(names) == 1:
        return {name: [row[name] for row in rows] for name in names}
    return dict(zip(names, zip(*map(itemgetter(*names), rows), strict=True), strict=True))


_TEXTS = frozenset({"text", "character varying", "json"})


def _element(value: Any, *, quoted: bool) -> str:
    if value is None:
        return "NULL"
    if not quoted:
        return str(value)
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
