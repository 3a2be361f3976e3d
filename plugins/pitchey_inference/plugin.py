"""Hook implementations; imports nothing that the extra ``pitchey[inference]`` brings."""

from __future__ import annotations

from collections.abc import Sequence

from pitchey_core.hooks import CatalogEntry, CommandSpec, ProcessorSpec, QueueDefaults, hookimpl
from pitchey_inference.builtin import SUMMARIES

__all__ = ["pitchey_catalog", "pitchey_commands", "pitchey_processors"]

_TARGETS = {
    "pitch-analyzer-v2": "pitchey_inference.builtin:pitch_analyzer",
    "sentiment-v1": "pitchey_inference.builtin:sentiment",
    "summarizer-v3": "pitchey_inference.builtin:summarizer",
    "zero-shot-v1": "pitchey_inference.builtin:zero_shot",
    "minilm": "pitchey_inference.builtin:minilm",
}


@hookimpl
def pitchey_processors() -> Sequence[ProcessorSpec]:
    """The ``inference`` processor."""
    return [
        ProcessorSpec(
            name="inference",
            target="pitchey_inference.processor:InferenceProcessor",
            summary="Ask a model: pitch analysis, sentiment, summary, embeddings, any ONNX model",
            aliases=("ai-inference",),
            resources="standard-4",
            wall_limit=120.0,
            queue=QueueDefaults(
                batch_size=8, batch_wait=180.0, linger=0.005, retries=2, min_slots=2, max_slots=5
            ),
            extra="pitchey[inference]",
        )
    ]


@hookimpl
def pitchey_catalog() -> Sequence[CatalogEntry]:
    """The built-in models."""
    return [CatalogEntry("model", name, SUMMARIES[name], target) for name, target in _TARGETS.items()]


@hookimpl
def pitchey_commands() -> Sequence[CommandSpec]:
    """``pitchey-run models``."""
    return [
        CommandSpec(
            "models",
            "Models for inference: list, show, pull, verify, bench",
            "pitchey_inference.command:models",
        )
    ]
