"""Places over which storms break, on stores of each kind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from postgres_server import PostgresServer
from storm import SEED
from workplace import Workplace

from pitchey_core.process import TAG_VARIABLE


@pytest.fixture(autouse=True)
def _tagged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a storm starts and leaves behind is found by its tag."""
    monkeypatch.setenv(TAG_VARIABLE, f"storm-{os.getpid()}-{SEED}")


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server as users run it, that may be stopped and killed."""
    with PostgresServer(durable=True) as server:
        yield server


@pytest.fixture
def on_postgres(server: PostgresServer, workplace: Workplace) -> Iterator[Workplace]:
    """A workplace whose store is on that server."""
    workplace.store_url = server.url(tcp=True)
    yield workplace
    workplace.close()


@pytest.fixture(params=["sqlite", "postgres"])
def stormy(request: pytest.FixtureRequest) -> Workplace:
    """A workplace over a store of each kind."""
    place: Workplace = request.getfixturevalue("workplace" if request.param == "sqlite" else "on_postgres")
    return place
