"""Jobs for Huey's consumer, in a SQLite file whose durability the environment names."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

import body
from huey import Huey
from huey.storage import SqliteStorage

_SYNCHRONOUS = os.environ["HUEY_SYNCHRONOUS"]


class _Storage(SqliteStorage):
    """Huey offers FULL and OFF; NORMAL is its fastest that outlives a crash of its process."""

    def _create_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._create_connection()
        connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS}")
        return connection


huey: Any = Huey(
    "bench", results=False, storage_class=_Storage, filename=os.environ["HUEY_FILE"], journal_mode="wal"
)


@huey.task()  # type: ignore[untyped-decorator]
def noop(value: int) -> None:
    """Nothing."""


work = huey.task(name="work")(body.run)


def enqueue(numbers: list[int]) -> None:
    for number in numbers:
        work(number)


def left() -> int:
    """Jobs that are still in the store."""
    return int(huey.pending_count())
