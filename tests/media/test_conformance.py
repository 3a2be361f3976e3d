"""The suite that every processor passes, third parties' included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from media_samples import Samples

from pitchey_core.testing import ProcessorSuite


class TestMedia(ProcessorSuite):
    processor = "media"
    bad_payloads: ClassVar = [
        {"input_media": "x.mp4", "output_presets": []},
        {"input_media": "x.mp4", "start": -1},
        {"input_media": "x.mp4", "start": float("nan")},
        {"input_media": "x.mp4", "output_name": "a/b"},
        {"input_media": "x.mp4", "overrides": "crf"},
    ]

    @pytest.fixture
    def payload(self, samples: Samples) -> Mapping[str, Any]:
        return {
            "input_media": str(samples.plain()),
            "output_presets": ["mobile-optimized", "waveform"],
            "overrides": {"video": {"speed": "ultrafast"}},
            "thumbnail_count": 1,
        }

    @pytest.fixture
    def slow_payload(self, samples: Samples) -> Mapping[str, Any]:
        return {
            "input_media": str(samples.large()),
            "output_presets": ["hd-quality"],
            "overrides": {"video": {"speed": "veryslow", "copy_fitting": False}},
        }
