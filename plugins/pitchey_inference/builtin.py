"""The built-in models, as the catalogue names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pitchey_inference.coded import CodedModel

if TYPE_CHECKING:
    from pitchey_inference.runtime.encoder import Encoder

__all__ = [
    "MODELS",
    "SUMMARIES",
    "builtin_encoder",
    "minilm",
    "pitch_analyzer",
    "sentiment",
    "summarizer",
    "zero_shot",
]

MODELS: Final = Path(__file__).parent / "models"
"""The folder of the built-in bundles."""

SUMMARIES: Final = {
    "minilm": "Sentence embeddings (all-MiniLM-L6-v2, int8 weights)",
    "sentiment-v1": "Positive or negative: a head on minilm, trained on rated film reviews",
    "summarizer-v3": "Extractive summary: central sentences that do not repeat one another",
    "zero-shot-v1": "Labels of your own, by similarity of embeddings",
    "pitch-analyzer-v2": "A film pitch: genres, tone, structure, logline, score",
}
"""One line for each name, without opening the bundles."""

minilm: Final = MODELS / "minilm"
summarizer: Final = MODELS / "summarizer_v3"
zero_shot: Final = MODELS / "zero_shot_v1"
pitch_analyzer: Final = MODELS / "pitch_analyzer_v2"
sentiment: Final = CodedModel(
    MODELS / "sentiment_v1", features="pitchey_inference.models.sentiment_v1.features:feeds"
)


def builtin_encoder(threads: int = 1) -> Encoder:
    """The built-in encoder; see :meth:`pitchey_inference.runtime.encoder.Encoder.builtin`."""
    from pitchey_inference.loaded import MODELS_IN_USE

    return MODELS_IN_USE.builtin("minilm", threads).encoder
