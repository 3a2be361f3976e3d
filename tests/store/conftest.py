from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

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


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store(request: pytest.FixtureRequest, template_store: Path, tmp_path: Path) -> Callable[[], str]:
    """Makes stores without jobs, on each database; their URLs."""
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("new_database")
        return make
    numbers = itertools.count(1)
    return lambda: f"sqlite:///{shutil.copy(template_store, tmp_path / f'store{next(numbers)}.db')}"
