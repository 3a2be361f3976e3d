from __future__ import annotations

import shutil
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
