"""Connections as this store wants them, and how the shared transactions run on one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import psycopg
from psycopg.rows import dict_row, tuple_row

from pitchey_core.errors import StoreError
from pitchey_runner.store.postgres.location import Location
from pitchey_runner.store.postgres.translation import (
    ORDINAL,
    Translated,
    as_array,
    as_text,
    columns_of,
    for_many,
    translate,
)
from pitchey_runner.store.postgres.watchdog import answering, still_answering
from pitchey_runner.store.sql.connection import Columns

__all__ = ["PostgresConnection", "connect"]

_OLDEST = 13  # pg_current_xact_id
_ROWS_AT_ONCE = 1000
_GATE = 0x7069746368657967  # "pitcheyg", as a number
_TYPES = "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'pitchey_types'"


def connect(location: Location) -> psycopg.Connection[Any]:
    """A connection that begins and ends no transaction by itself, and whose commits survive a power cut.

    Raises:
        psycopg.OperationalError: The server cannot be reached, or refuses.
        StoreError: It is too old.
    """
    raw: psycopg.Connection[Any] = psycopg.connect(location.conninfo, autocommit=True, prepare_threshold=0)
    try:
        _refuse_older(raw.info.server_version // 10_000, location)
        with answering(raw):
            raw.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') = 'off'"
            )
    except BaseException:
        raw.close()
        raise
    return raw


def _refuse_older(version: int, location: Location) -> None:
    if version < _OLDEST:
        raise StoreError(
            f"{location.place}: the server is Postgres {version}; the job store needs {_OLDEST}",
            remedy="upgrade the server",
        )


class PostgresConnection:
    """See :class:`~pitchey_runner.store.sql.connection.SqlConnection`.

    Args:
        raw: A connection, of whomever; a transaction is open on it whenever this is used.
    """

    refusal: ClassVar[type[Exception]] = psycopg.IntegrityError
    _many: ClassVar[dict[str, tuple[str, dict[str, str]]]] = {}

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw
        self._unanswered: AbstractContextManager[Any] | None = None

    def execute(self, statement: str, values: Mapping[str, Any] | None = None, /) -> psycopg.Cursor[Any]:
        self.answered()
        still_answering()
        translated = translate(statement)
        given = (
            None
            if not translated.names
            else {name: as_text((values or {})[name]) for name in translated.names}
        )
        return self.raw.cursor(row_factory=dict_row).execute(translated.text, given)

    def executemany(self, statement: str, rows: Sequence[Mapping[str, Any]], /) -> None:
        if rows:
            self._run_for(statement, columns_of(rows, translate(statement).names))

    def insert(self, statement: str, columns: Columns, /) -> None:
        self._run_for(statement, columns)

    def _run_for(self, statement: str, columns: Columns) -> None:
        known = self._for_many(statement)
        if self._unanswered is None:
            # The server works on one part while the next is made, and on the last while we do something else.
            self._unanswered = self.raw.pipeline()
            self._unanswered.__enter__()
        for text, arrays in _parts(known, columns):
            still_answering()
            self.raw.execute(text, arrays)

    def each(self, statement: str, rows: Sequence[Mapping[str, Any]], /) -> Sequence[Any]:
        if not rows:
            return []
        answers: list[Any] = [None] * len(rows)
        start = 0
        known = self._for_many(statement)
        self.answered()
        for text, arrays in _parts(known, columns_of(rows, known[1])):
            still_answering()
            for row in self.raw.cursor(row_factory=dict_row).execute(text, arrays):
                answers[start + row.pop(ORDINAL) - 1] = row
            start += _ROWS_AT_ONCE
        return answers

    def answered(self) -> None:
        unanswered, self._unanswered = self._unanswered, None
        if unanswered is not None:
            unanswered.__exit__(None, None, None)

    def new_job_numbers(self, count: int, /) -> Sequence[int]:
        row = self.execute(
            "SELECT array_agg(nextval('job_seq_seq')) AS seqs FROM generate_series(1, :count)",
            {"count": count},
        ).fetchone()
        return [] if row is None else row["seqs"]

    def hold(self, ids: Sequence[str], /) -> None:
        # In one order for all, or two that hold the same jobs would wait for each other.
        self.execute(
            "SELECT FROM job WHERE id = ANY (CAST(:ids AS text[])) ORDER BY seq FOR NO KEY UPDATE",
            {"ids": as_array(ids, "text")},
        )

    def gate(self) -> None:
        self.execute("SELECT pg_advisory_xact_lock(:gate)", {"gate": _GATE})

    def close_ledger(self) -> None:
        self.execute("LOCK TABLE ledger IN SHARE MODE")

    def _for_many(self, statement: str) -> tuple[str, dict[str, str]]:
        known = self._many.get(statement)
        if known is None:
            self.answered()
            translated = translate(statement)
            types = self._types(translated)
            known = self._many[statement] = for_many(translated, types), types
        return known

    def _types(self, statement: Translated) -> dict[str, str]:
        """What the server takes a statement's values for: it knows their columns."""
        with self.raw.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(f"PREPARE pitchey_types AS {statement.numbered}", prepare=False)
            cursor.execute(_TYPES, prepare=False)
            (types,) = cursor.fetchone() or ([],)
            cursor.execute("DEALLOCATE pitchey_types", prepare=False)
        return dict(zip(statement.names, types, strict=True))


def _parts(statement: tuple[str, dict[str, str]], columns: Columns) -> Iterator[tuple[str, dict[str, str]]]:
    """The calls that a statement for many rows takes: text and values of each."""
    text, types = statement
    given = [(name, columns[name], type_name) for name, type_name in types.items()]
    for start in range(0, len(given[0][1]), _ROWS_AT_ONCE):
        end = start + _ROWS_AT_ONCE
        yield text, {name: as_array(values[start:end], type_name) for name, values, type_name in given}
