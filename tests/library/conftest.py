"""A job store under a test's own folder, as programs open it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pitchey_runner
from pitchey_core.registry import Registry
from pitchey_runner import Jobs

Open = Callable[[], Jobs]


@pytest.fixture
def open_jobs(tmp_path: Path, registry: Registry) -> Open:
    timing = {"beat": 0.5, "lease": 5.0, "cancel_poll": 0.05, "kill_grace": 0.5}

    def opened() -> Jobs:
        return pitchey_runner.open(
            str(tmp_path / "jobs.db"), registry=registry, data_dir=str(tmp_path / "data"), timing=timing
        )

    return opened


@pytest.fixture
def jobs(open_jobs: Open) -> Iterator[Jobs]:
    with open_jobs() as opened:
        yield opened
