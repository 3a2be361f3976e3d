"""Random histories, on SQLite and on the model: every answer and every visible row must be the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from pitchey_core.pricing import PriceBook
from pitchey_runner.store.interface import JobStore
from pitchey_runner.store.sqlite.store import SqliteStore
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

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=900,
            stateful_step_count=50,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
