"""Fixtures that more than one part of the tests uses."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from media_samples import Samples
from pitchey_cli import Cli
from postgres_server import PostgresServer
from workplace import Workplace

from pitchey_core.registry import Registry
from pitchey_runner.store.migrations import upgrade


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry.load()


@pytest.fixture
def workplace(tmp_path: Path, registry: Registry) -> Iterator[Workplace]:
    """A store, a data folder and supervisors with short times."""
    place = Workplace(tmp_path, registry, {"beat": 0.5, "lease": 5.0, "cancel_poll": 0.05, "kill_grace": 0.5})
    yield place
    place.close()


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Media files of all kinds, each made when a test first asks for it."""
    return Samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, or what else it is asked for, as ``size`` of mount(8); needs the right to mount."""
    size = getattr(request, "param", "1m")
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", os.fspath(folder)],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", os.fspath(folder)], check=True)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    found = Cli(tmp_path)
    yield found
    found.close()


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Polls until a function returns something true, and returns that."""

    def poll(what: Callable[[], Any], seconds: float = 30) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)
        return found

    return poll


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests of a test process; its database ``template`` holds a store without jobs."""
    with PostgresServer() as server:
        server.execute("CREATE DATABASE template")
        upgrade(server.url("template"))
        yield server


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


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """The URL of a database without jobs, whose schema is current."""
    return new_database()
