"""The suite that every processor passes, third parties' included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from inference_models import endless_model, save

from pitchey_core.testing import ProcessorSuite

PITCH = "Anna must save the town from the sea. The mayor does not believe her. Time runs out at dawn. She goes alone."


class TestInference(ProcessorSuite):
    processor = "inference"
    bad_payloads: ClassVar = [
        {"model": "sumarizer-v3"},
        {"text": "two inputs"},
        {"parameters": {"max_sentence": 2}},
        {"parameters": {"ratio": 2}},
        {"temperature": -1},
        {"max_sentences": 2, "parameters": {"max_sentences": 3}},
        {"model": "no/such/model"},
    ]

    @pytest.fixture
    def given_bad(self, given: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return [{**given, **each} for each in self.bad_payloads]

    @pytest.fixture
    def payload(self, tmp_path: Path) -> Mapping[str, Any]:
        path = tmp_path / "pitch.txt"
        path.write_text(PITCH)
        return {"input_url": str(path), "model": "minilm", "parameters": {"format": "npy"}}

    @pytest.fixture
    def slow_payload(self, tmp_path: Path) -> Mapping[str, Any]:
        model = save(endless_model(), tmp_path / "endless.onnx")
        return {"model": str(model), "input_data": {"tensors": {"x": [[1, 2, 3]]}}}
