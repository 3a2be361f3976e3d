from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from video_jobs import JobBench

import pitchey_media.plugin

# Encoders at their fastest: what is tested is what they are told, not how well they do it.
QUICK = {"video": {"speed": "ultrafast"}}


@pytest.fixture
def bench(tmp_path: Path) -> JobBench:
    return JobBench(tmp_path, "media", pitchey_media.plugin, input_field="input_media")


@pytest.fixture
def make(bench: JobBench) -> Callable[..., Any]:
    """Run a job with some presets, quickly and without thumbnails."""

    def run(source: Path, *presets: str, **fields: Any) -> Any:
        overrides = {**QUICK, **fields.pop("overrides", {})}
        given = {"generate_thumbnails": False, "output_presets": list(presets), "overrides": overrides}
        return bench.run(source, **{**given, **fields})

    return run
