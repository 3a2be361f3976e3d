from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from video_jobs import JobBench

import pitchey_inference.plugin
from pitchey_core.context import JobContext
from pitchey_core.errors import PitcheyError
from pitchey_core.payload import parse_payload
from pitchey_inference.loaded import MODELS_IN_USE
from pitchey_inference.processor import InferenceProcessor
from pitchey_inference.runtime.sessions import SESSIONS


@pytest.fixture(scope="session", autouse=True)
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's own cache is left alone."""
    folder = tmp_path_factory.mktemp("model-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PITCHEY_MODEL_CACHE", str(folder))
        yield folder


class Asking:
    """Runs jobs of the processor in this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bench = JobBench(root, "inference", pitchey_inference.plugin)
        assert isinstance(self.bench.processor, InferenceProcessor)
        self.processor = self.bench.processor

    def job(self, payload: Mapping[str, Any], **options: Any) -> JobContext:
        return self.bench.context(payload, self.root / f"out-{uuid.uuid4().hex[:8]}", **options)

    def __call__(self, model: str | Path, given: Any = None, **fields: Any) -> Any:
        """The facts of one job; ``given`` is ``input_data``."""
        payload = self.payload(model, given, **fields)
        return self.processor.process(parse_payload(self.processor.payload_model, payload), self.job(payload))

    def together(self, payloads: Sequence[Mapping[str, Any]]) -> Sequence[Any | PitcheyError]:
        parsed = [parse_payload(self.processor.payload_model, payload) for payload in payloads]
        return self.processor.process_batch(parsed, [self.job(payload) for payload in payloads])

    @staticmethod
    def payload(model: str | Path, given: Any = None, **fields: Any) -> dict[str, Any]:
        return {"model": str(model), **({} if given is None else {"input_data": given}), **fields}


@pytest.fixture
def ask(tmp_path: Path) -> Asking:
    return Asking(tmp_path)


@pytest.fixture
def fresh() -> Iterator[None]:
    """No model is loaded before, and none is left."""
    MODELS_IN_USE.clear()
    SESSIONS.clear()
    yield
    MODELS_IN_USE.clear()
    SESSIONS.clear()
