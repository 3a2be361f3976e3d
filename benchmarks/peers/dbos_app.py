"""DBOS on SQLite or Postgres; as a program, a worker. ``PEER_POLL``: seconds between its looks, else as it comes."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Any

import body
import sqlalchemy
from dbos import DBOS, DBOSClient

_FILE = os.environ.get("PEER_SQLITE")
_URL = f"sqlite:///{_FILE}" if _FILE else os.environ["PEER_POSTGRES"].replace("://", "+psycopg://", 1)
_OPTIONS = {"queue_name": "bench", "workflow_name": "work", "app_version": "bench"}

if _FILE:

    @sqlalchemy.event.listens_for(sqlalchemy.Engine, "connect")
    def _durable(connection: sqlite3.Connection, _: Any) -> None:
        # DBOS leaves SQLite's slower rollback journal on.
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA synchronous = FULL")


def _launch() -> None:
    config: Any = {
        "name": "bench",
        "system_database_url": _URL,
        "application_version": "bench",
        "log_level": "ERROR",
        "enable_otlp": False,
        "executor_id": os.environ.get("PEER_EXECUTOR", "one"),
    }
    DBOS(config=config)
    DBOS.workflow(name="work")(body.run)
    DBOS.launch()


def setup() -> None:
    """Make its tables."""
    _launch()
    DBOS.destroy()


def enqueue(numbers: list[int]) -> None:
    client = DBOSClient(system_database_url=_URL, application_name="bench")
    for number in numbers:
        options: Any = dict(_OPTIONS)
        client.enqueue(options, number)


def left() -> int:
    """Jobs that are still in the store."""
    table = "workflow_status" if _FILE else "dbos.workflow_status"
    with sqlalchemy.create_engine(_URL).connect() as connection:
        statement = f"SELECT count(*) FROM {table} WHERE status IN ('ENQUEUED', 'PENDING')"
        return int(connection.execute(sqlalchemy.text(statement)).scalar() or 0)


def _work() -> None:
    _launch()
    options: dict[str, Any] = {}
    if many := os.environ.get("PEER_AHEAD"):
        options["worker_concurrency"] = int(many)
    if poll := os.environ.get("PEER_POLL"):
        options["polling_interval_sec"] = float(poll)
    DBOS.register_queue("bench", on_conflict="always_update", **options)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    _work()
