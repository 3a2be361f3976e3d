"""An asynchronous psycopg connection for code that does not await: inside SQLAlchemy's ``run_sync``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import psycopg
from sqlalchemy.util import await_only

__all__ = ["AwaitedConnection"]


class AwaitedConnection:
    """As much of ``psycopg.Connection`` as :class:`~.connection.PostgresConnection` uses. Each statement lets the event
    loop go on until the server has answered."""

    def __init__(self, raw: psycopg.AsyncConnection[Any]) -> None:
        self._raw = raw

    def cursor(self, **options: Any) -> _AwaitedCursor:
        return _AwaitedCursor(self._raw.cursor(**options))

    def execute(self, statement: str, values: Any = None, **options: Any) -> _AwaitedCursor:
        return self.cursor().execute(statement, values, **options)

    def pipeline(self) -> AbstractContextManager[None]:
        """None: what it would save is worth less than a second way of waiting."""
        return nullcontext()


class _AwaitedCursor:
    def __init__(self, raw: psycopg.AsyncCursor[Any]) -> None:
        self._raw = raw

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        await_only(self._raw.close())

    @property
    def description(self) -> Any:
        return self._raw.description

    @property
    def rowcount(self) -> int:
        return self._raw.rowcount

    def execute(self, statement: str, values: Any = None, **options: Any) -> _AwaitedCursor:
        await_only(self._raw.execute(statement, values, **options))
        return self

    def fetchone(self) -> Any:
        return await_only(self._raw.fetchone())

    def fetchall(self) -> list[Any]:
        return await_only(self._raw.fetchall())
