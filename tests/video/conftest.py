from __future__ import annotations

from pathlib import Path

import pytest
from media_samples import Samples
from video_jobs import JobBench


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return Samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def bench(tmp_path: Path) -> JobBench:
    return JobBench(tmp_path)
