"""The counters that number rows. A number is never given twice, so they outlive the rows."""

from __future__ import annotations

from sqlalchemy import Connection, Table, func, select, text

from pitchey_runner.store.tables import StoreTable

__all__ = ["advance", "counted_tables", "counter_of"]


def counted_tables() -> list[Table]:
    """Tables whose rows the database numbers."""
    return [table for table in StoreTable.metadata.sorted_tables if _is_counted(table)]


def counter_of(connection: Connection, table: Table) -> int:
    """The highest number that was ever given; 0: none."""
    highest = int(connection.scalar(select(func.coalesce(func.max(table.c.seq), 0))) or 0)
    if connection.dialect.name == "sqlite":
        given = connection.scalar(_SQLITE_COUNTER, {"name": table.name})
    else:
        given = connection.scalar(_POSTGRES_COUNTER, {"name": table.name})
    return max(highest, int(given or 0))


def advance(connection: Connection, table: Table, number: int) -> None:
    """See to it that no number up to ``number`` is given again."""
    number = max(number, counter_of(connection, table))
    if not number:
        return
    if connection.dialect.name != "sqlite":
        connection.execute(_POSTGRES_ADVANCE, {"name": table.name, "number": number})
    elif table.dialect_options["sqlite"]["autoincrement"]:
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        values = {"name": table.name, "number": number}
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), values)


_SQLITE_COUNTER = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
_POSTGRES_COUNTER = text(
    "SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence(:name, 'seq') AS regclass))"
)
_POSTGRES_ADVANCE = text("SELECT setval(CAST(pg_get_serial_sequence(:name, 'seq') AS regclass), :number)")


def _is_counted(table: Table) -> bool:
    key = list(table.primary_key.columns)
    return [column.name for column in key] == ["seq"]
