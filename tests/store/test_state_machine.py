"""Random histories, on a database and on the model: every answer and every visible row must be the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from pitchey_core.pricing import PriceBook
from pitchey_runner.store.interface import JobStore
from pitchey_runner.store.postgres.location import locate
from pitchey_runner.store.postgres.store import PostgresStore
from pitchey_runner.store.sqlite.store import SqliteStore
from pitchey_runner.store.tables import StoreTable
from pitchey_runner.testing.store_machine import JobStoreMachine
from pitchey_runner.testing.store_machine_queues import QueueStoreMachine


def test_sqlite_does_what_the_model_does(template_store: Path) -> None:
    class Machine(QueueStoreMachine):
        def open_store(self, clock: Callable[[], int]) -> JobStore:
            self.folder = tempfile.TemporaryDirectory()
            path = Path(shutil.copy(template_store, Path(self.folder.name, "jobs.db")))
            return SqliteStore(path, prices=PriceBook(), clock=clock)

        def teardown(self) -> None:
            self.store.close()
            self.folder.cleanup()

    _run(Machine)


@pytest.mark.slow
def test_postgres_does_what_the_model_does(new_database: Callable[[], str]) -> None:
    url = new_database()
    location = locate(url)

    class Machine(QueueStoreMachine):
        def open_store(self, clock: Callable[[], int]) -> JobStore:
            # A new database for each history would take longer than the history.
            with psycopg.connect(location.conninfo, autocommit=True) as sql:
                tables = ", ".join(table.name for table in StoreTable.metadata.sorted_tables)
                sql.execute(f"TRUNCATE {tables} RESTART IDENTITY")
            return PostgresStore(url, location, prices=PriceBook(), clock=clock)

        def teardown(self) -> None:
            self.store.close()

    _run(Machine, examples=10)


def _run(machine: type[JobStoreMachine], *, examples: int = 60) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
