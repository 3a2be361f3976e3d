"""Procrastinate on Postgres."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import body
import procrastinate
import psycopg

_URL = os.environ["PEER_POSTGRES"]
app: Any = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=_URL))


async def run(number: int) -> None:
    """Off the loop: it sleeps as the jobs of the others do."""
    if number < 0:
        body.run(number)
    else:
        await asyncio.to_thread(body.run, number)


app.task(queue="bench", name="work")(run)


@contextmanager
def _synchronous() -> Iterator[Any]:
    with app.replace_connector(procrastinate.SyncPsycopgConnector(conninfo=_URL)) as found, found.open():
        yield found


def setup() -> None:
    """Make its tables."""
    with _synchronous() as found:
        found.schema_manager.apply_schema()


def enqueue(numbers: list[int]) -> None:
    with _synchronous() as found:
        task = found.configure_task("work", queue="bench")
        for number in numbers:
            task.defer(number=number)


def left() -> int:
    """Jobs that are still in the store."""
    with psycopg.connect(_URL) as connection:
        found = connection.execute(
            "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
        ).fetchone()
    assert found is not None
    return int(found[0])
