from __future__ import annotations

from pathlib import Path

import pytest
from document_samples import Documents
from video_jobs import JobBench

import pitchey_document.plugin


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    """Documents of all kinds, each made when a test first asks for it."""
    return Documents(tmp_path_factory.mktemp("documents"))


@pytest.fixture
def bench(tmp_path: Path) -> JobBench:
    return JobBench(tmp_path, "document", pitchey_document.plugin, input_field="document_url")
