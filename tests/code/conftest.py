from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from video_jobs import Finished, JobBench

import pitchey_code.plugin
from pitchey_core.payload import parse_payload
from pitchey_core.storage import publish


class Running:
    """Runs jobs of the processor in this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bench = JobBench(root, "code", pitchey_code.plugin)

    def __call__(
        self, code: str | None = None, language: str | None = "python", *, cancelled: Callable[[], bool] | None = None,
        **fields: object,
    ) -> Finished:  # fmt: skip
        given = {"code": code, "language": language, **fields}
        payload = {name: value for name, value in given.items() if value is not None}
        folder = self.root / f"out-{uuid.uuid4().hex[:8]}"
        job = self.bench.context(payload, folder, cancelled=cancelled)
        facts = self.bench.processor.process(parse_payload(self.bench.processor.payload_model, payload), job)
        artifacts = publish(job.stage.seal()) if job.has_artifacts else []
        return Finished(facts, {each.name: folder / each.name for each in artifacts}, folder)


@pytest.fixture
def run(tmp_path: Path) -> Running:
    return Running(tmp_path)
