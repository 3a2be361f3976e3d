"""A whole store as a file of JSON lines, for moving between databases: every row, every number, nothing renumbered.

The first line says what follows, then come the tables, each a header line and a line per row, and last the counters and
how many rows there were. A file without its last line is incomplete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import IO, Any, Final

from sqlalchemy import Connection, Table, func, insert, select

from pitchey_core.errors import InputError, StoreError
from pitchey_runner.store.counters import advance, counted_tables, counter_of
from pitchey_runner.store.drivers import driver_of
from pitchey_runner.store.migrations import HEAD, schema_revision, upgrade
from pitchey_runner.store.tables import StoreTable

__all__ = ["export_store", "import_store"]

_FORMAT: Final = "pitchey-store"
_ROWS_AT_ONCE: Final = 1000


def export_store(url: str, target: IO[str]) -> dict[str, int]:
    """Write one state of a store to ``target``; how many rows of each table.

    Raises:
        StoreError: There is no store, its schema is another one, or it cannot be read.
    """
    _require_current(url)
    counts: dict[str, int] = {}
    with driver_of(url).looking(url) as connection:
        _say(target, {"format": _FORMAT, "schema": HEAD})
        for table in StoreTable.metadata.sorted_tables:
            _say(target, {"table": table.name, "columns": table.columns.keys()})
            counts[table.name] = 0
            rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(
                select(table).order_by(*table.primary_key.columns)
            )
            for row in rows:
                _say(target, list(row))
                counts[table.name] += 1
        counters = {table.name: counter_of(connection, table) for table in counted_tables()}
        _say(target, {"counters": counters, "rows": counts})
    return counts


def import_store(url: str, source: IO[str]) -> dict[str, int]:
    """Fill an empty store from what :func:`export_store` has written, all or nothing; how many rows of each table.

    The store is created where there is none.

    Raises:
        InputError: It is no such file, is incomplete, or of another schema.
        StoreError: The store has jobs already, or cannot be written.
    """
    lines = _lines(source)
    _check_header(next(lines, None))
    if schema_revision(url) is None:
        upgrade(url)
    _require_current(url)
    with driver_of(url).changing(url) as connection:
        _require_empty(connection)
        return _fill(connection, lines)


def _fill(connection: Connection, lines: Iterator[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    header = next(lines, None)
    while isinstance(header, dict) and "table" in header:
        table = _table(header)
        counts[table.name], header = _fill_table(connection, table, header["columns"], lines)
    end = header if isinstance(header, dict) else {}
    if "counters" not in end or end.get("rows") != counts or next(lines, None) is not None:
        raise InputError("the export is incomplete: nothing was imported", remedy="export the store again")
    for table in counted_tables():
        advance(connection, table, _number(end["counters"], table.name))
    return counts


def _table(header: dict[str, Any]) -> Table:
    tables = StoreTable.metadata.tables
    name, columns = str(header["table"]), header.get("columns")
    if name not in tables:
        raise InputError(f"the export has a table {name!r}, which this version does not know")
    if not isinstance(columns, list) or sorted(map(str, columns)) != sorted(tables[name].columns.keys()):
        raise InputError(f"the export has other columns of the table {name} than this version")
    return tables[name]


def _number(counters: Any, name: str) -> int:
    try:
        return int(counters.get(name, 0))
    except (AttributeError, TypeError, ValueError):
        raise InputError(f"the export's counter of the table {name} is no number") from None


def _fill_table(
    connection: Connection, table: Table, columns: list[str], lines: Iterator[Any]
) -> tuple[int, Any]:
    """Insert a table's rows; how many, and the line after them."""
    after: list[Any] = []

    def rows() -> Iterator[dict[str, Any]]:
        for line in lines:
            if not isinstance(line, list):
                after.append(line)
                return
            if len(line) != len(columns):
                raise InputError(f"the export has a row of {len(line)} values in the table {table.name}")
            yield dict(zip(columns, line, strict=True))

    count = 0
    every = rows()
    while some := list(islice(every, _ROWS_AT_ONCE)):
        connection.execute(insert(table), some)
        count += len(some)
    return count, after[0] if after else None


def _lines(source: IO[str]) -> Iterator[Any]:
    done = 0
    try:
        for line in source:
            yield json.loads(line)
            done += 1
    except json.JSONDecodeError as error:
        raise InputError(f"line {done + 1} of the export is not JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the export is not UTF-8 text after its line {done}") from error


def _check_header(header: Any) -> None:
    if not isinstance(header, Mapping) or header.get("format") != _FORMAT:
        raise InputError("this is no export of a job store", remedy="make one: pitchey-run db export FILE")
    if header.get("schema") != HEAD:
        raise InputError(
            f"the export has schema {header.get('schema')}; this version of Pitchey works with {HEAD}",
            remedy="where it was made: pitchey-run db upgrade, and export again with the same version as here",
        )


def _require_current(url: str) -> None:
    revision = schema_revision(url)
    if revision != HEAD:
        raise StoreError(
            "there is no store yet" if revision is None else f"the store has schema {revision}, not {HEAD}",
            remedy="pitchey-run db upgrade",
        )


def _require_empty(connection: Connection) -> None:
    for table in StoreTable.metadata.sorted_tables:
        if connection.scalar(select(func.count()).select_from(table)):
            raise StoreError(
                f"the store is not empty: it has rows in {table.name}",
                remedy="import into a new one: pitchey-run db import FILE --store URL",
            )


def _say(target: IO[str], line: Any) -> None:
    target.write(json.dumps(line, separators=(",", ":")))
    target.write("\n")
