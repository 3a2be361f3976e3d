"""The columns that the tables are made of, and the base that they share."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Text, text
from sqlalchemy.types import REAL
from sqlmodel import Field, SQLModel

__all__ = [
    "INTEGER",
    "REAL_NUMBER",
    "TEXT",
    "StoreTable",
    "column",
    "integer",
    "integer_or_null",
    "key",
    "partial_index",
    "real_or_null",
    "text_column",
    "text_or_null",
]

INTEGER: Any = BigInteger().with_variant(Integer, "sqlite")
REAL_NUMBER: Any = Double().with_variant(REAL, "sqlite")
TEXT: Any = Text().with_variant(Text(collation="C"), "postgresql")


def column(kind: Any, *constraints: Any, default: str | None = None, **options: Any) -> Any:
    server_default = None if default is None else text(default)
    return Field(sa_column=Column(kind, *constraints, server_default=server_default, **options))


def key() -> Any:
    return column(INTEGER, primary_key=True, nullable=False)


def text_column() -> Any:
    return column(TEXT, nullable=False)


def text_or_null() -> Any:
    return column(TEXT, nullable=True)


def integer(default: str | None = None) -> Any:
    return column(INTEGER, nullable=False, default=default)


def integer_or_null() -> Any:
    return column(INTEGER, nullable=True)


def real_or_null() -> Any:
    return column(REAL_NUMBER, nullable=True)


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


class StoreTable(SQLModel):
    """Base of the store's tables. It has metadata of its own, so a host program's tables stay out of it."""

    metadata: ClassVar[MetaData] = MetaData()
