from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_server import PostgresServer

from pitchey_runner.store.migrations import upgrade

pytest.register_assert_rewrite("pitchey_runner.testing")


@pytest.fixture(scope="session")
def template_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without jobs, made once: making one imports Alembic."""
    path = tmp_path_factory.mktemp("template") / "jobs.db"
    upgrade(str(path))
    return path


@pytest.fixture
def empty_store(template_store: Path, tmp_path: Path) -> Path:
    """A store without jobs, whose schema is current."""
    return Path(shutil.copy(template_store, tmp_path / "jobs.db"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests of a test process; its database ``template`` holds a store without jobs."""
    server = PostgresServer()
    try:
        server.execute("CREATE DATABASE template")
        upgrade(server.url("template"))
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def new_database(postgres_server: PostgresServer, _numbers: Iterator[int]) -> Iterator[Callable[[], str]]:
    """Makes databases without jobs, whose schema is current; their URLs."""
    made: list[str] = []

    def make() -> str:
        made.append(f"store{next(_numbers)}")
        postgres_server.execute(f"CREATE DATABASE {made[-1]} TEMPLATE template STRATEGY file_copy")
        return postgres_server.url(made[-1])

    yield make
    for name in made:
        postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store(request: pytest.FixtureRequest, template_store: Path, tmp_path: Path) -> Callable[[], str]:
    """Makes stores without jobs, on each database; their URLs."""
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("new_database")
        return make
    numbers = itertools.count(1)
    return lambda: f"sqlite:///{shutil.copy(template_store, tmp_path / f'store{next(numbers)}.db')}"


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """The URL of a database without jobs, whose schema is current."""
    return new_database()
