"""Every store passes the one suite; the reference model too, or it would be no reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitchey_core.pricing import PriceBook
from pitchey_runner.store.postgres.location import locate
from pitchey_runner.store.postgres.store import PostgresStore
from pitchey_runner.store.sqlite.store import SqliteStore
from pitchey_runner.testing.store_conformance import JobStoreSuite, OpenStore
from pitchey_runner.testing.store_model import ModelStore


class TestSqlite(JobStoreSuite):
    @pytest.fixture
    def open_store(self, empty_store: Path) -> OpenStore:
        return lambda clock: SqliteStore(empty_store, prices=PriceBook(), clock=clock)


class TestPostgres(JobStoreSuite):
    @pytest.fixture
    def open_store(self, database: str) -> OpenStore:
        return lambda clock: PostgresStore(database, locate(database), prices=PriceBook(), clock=clock)


class TestModel(JobStoreSuite):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        opened: list[ModelStore] = []

        def opener(clock):
            opened.append(opened[0] if opened else ModelStore(clock=clock))
            return opened[-1]

        return opener
