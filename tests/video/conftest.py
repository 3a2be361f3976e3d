from __future__ import annotations

from pathlib import Path

import pytest
from video_jobs import JobBench


@pytest.fixture
def bench(tmp_path: Path) -> JobBench:
    return JobBench(tmp_path)
