"""What a transaction needs of a driver's connection. ``SqlConnection`` is nearly that, and costs nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

__all__ = ["Columns", "Row", "Rows", "SqlConnection"]

Columns = Mapping[str, Sequence[Any]]
"""Values of many rows, by name: all sequences are of one length."""


class Row(Protocol):
    """A row of an answer, by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any: ...


class Rows(Protocol):
    """An answer. ``rowcount``: how many rows a statement without ``RETURNING`` has changed."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any:
        """The next row, a :class:`Row`, or ``None``."""

    def fetchall(self) -> list[Any]:
        """All rows, each a :class:`Row`."""


class SqlConnection(Protocol):
    """A connection inside a transaction; only the thread that began the transaction uses it.

    Attributes:
        refusal: What a statement raises whose values break a constraint.
    """

    refusal: ClassVar[type[Exception]]

    def execute(self, statement: str, values: Mapping[str, Any] = ..., /) -> Rows:
        """Run one statement."""

    def executemany(self, statement: str, rows: Sequence[Mapping[str, Any]], /) -> object:
        """Run a statement for each row of values; the database may do that in any order, and later: its errors may come
        as late as with :meth:`answered`."""

    def insert(self, statement: str, columns: Columns, /) -> object:
        """Run an INSERT of one row for each row of these columns; otherwise like :meth:`executemany`."""

    def answered(self) -> None:
        """Wait until all of that is done."""

    def each(self, statement: str, rows: Sequence[Mapping[str, Any]], /) -> Sequence[Any]:
        """Run an UPDATE that changes at most one row, for each row of values, and give what each has returned.

        ``None`` for one that changed nothing. No two rows name the same ``id`` and ``claim_seq``, and the statement
        returns both.
        """

    def new_job_numbers(self, count: int, /) -> Sequence[int]:
        """Values of ``job.seq`` for jobs to be inserted, rising; never given twice to jobs that are committed."""

    def hold(self, ids: Sequence[str], /) -> None:
        """Keep everybody else from changing these jobs until the transaction ends."""

    def gate(self) -> None:
        """Let one transaction pass at a time, until it ends: for those that count before they write."""

    def close_ledger(self) -> None:
        """Wait for those who have written to the ledger, and keep others from it until the transaction ends."""
