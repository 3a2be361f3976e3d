"""What an ``inference`` job reports."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from pitchey_core.processor import Facts
from pitchey_inference.outputs import AnyOutput

__all__ = ["InferenceFacts", "ModelFacts", "RuntimeFacts"]


class ModelFacts(BaseModel):
    """The model that answered.

    Attributes:
        name, version, task, licence: As its manifest says.
        origin: Who gave the name this meaning: a ``plugin``, the ``settings``, or the job itself by ``path``.
        source: Its name, path or URL.
        sha256: Of its graph; ``None`` for a model that is code on an encoder.
    """

    name: str
    version: str
    task: str
    licence: str = ""
    origin: Literal["plugin", "settings", "path"]
    source: str
    sha256: str | None = None


class RuntimeFacts(BaseModel):
    """How it was run.

    Attributes:
        providers: Execution providers of ONNX Runtime, best first.
        threads: Inside one operator.
        load_seconds: Wall time of loading the model's sessions; 0 where they were there already.
        jobs, items: That were computed together, this one's included.
    """

    providers: list[str]
    threads: int
    load_seconds: float
    jobs: int
    items: int


class InferenceFacts(Facts):
    """Facts of an ``inference`` job.

    Attributes:
        label, score: Of a single item that was classified.
        summary: Of a single item that was summarised.
        result: The answer to a single item.
        results: The answers to a list, in its order; empty where they are in an artifact.
        results_artifact: Name of the artifact with the answers, where they are large.
        count, failed: Items, and those of them that failed.
        truncated: Items whose end was cut off.
        timings: Seconds of wall time by step.
        warnings: What a person should know although the job is done.
    """

    model: ModelFacts
    label: str | None = None
    score: float | None = None
    summary: str | None = None
    result: AnyOutput | None = None
    results: list[AnyOutput] = Field(default_factory=list)
    results_artifact: str | None = None
    count: int = 1
    failed: int = 0
    truncated: int = 0
    runtime: RuntimeFacts
    timings: dict[str, float] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)

    def in_words(self) -> str:
        """The answer to a single item, as far as it is words and numbers; how many were answered, of a list."""
        if self.count != 1 or self.result is None:
            failed = f", {self.failed} failed" if self.failed else ""
            return f"{self.count} items{failed}"
        return "\n".join(
            f"{name}: {value}"
            for name, value in self.result.model_dump(mode="json", exclude={"task"}).items()
            if isinstance(value, str | int | float)
        )
