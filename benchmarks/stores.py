"""Empty stores to measure on: files with ``synchronous=FULL``, and databases of a Postgres server that is durable."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from harness import Bench
from workbench import Workbench

__all__ = ["POSTGRES", "SQLITE", "NewStore", "new_stores"]

SQLITE = "SQLite"
POSTGRES = "Postgres"
NewStore = Callable[[], str]
"""Gives the URL of a store that nobody has used yet."""

_SUPPORT = Path(__file__).parents[1] / "tests" / "support"


@contextmanager
def new_stores(work: Workbench, bench: Bench) -> Iterator[dict[str, NewStore]]:
    """By the name of the database; without Postgres where there is none, and then the table says so."""
    numbers = count()
    stores: dict[str, NewStore] = {SQLITE: lambda: f"sqlite:///{work.root}/store-{next(numbers)}.db"}
    sys.path.append(str(_SUPPORT))
    try:
        from postgres_server import PostgresServer

        server = PostgresServer(durable=True)
    except (ImportError, AssertionError) as error:
        bench.note(f"Postgres is not measured: {error}")
        yield stores
        return

    def new_database() -> str:
        name = f"store_{next(numbers)}"
        server.execute(f"CREATE DATABASE {name}")
        return server.url(name)

    with server:
        bench.fact("Postgres", server.execute("SHOW server_version")[0][0])
        for name in ("fsync", "synchronous_commit", "shared_buffers", "max_wal_size"):
            bench.fact(f"Postgres: {name}", server.execute(f"SHOW {name}")[0][0])
        yield {**stores, POSTGRES: new_database}
