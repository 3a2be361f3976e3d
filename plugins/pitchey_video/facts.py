"""What a ``video`` job reports."""

from __future__ import annotations

from pydantic import Field

from pitchey_core.ffmpeg.facts import (
    EncoderFacts,
    FileSummary,
    SpriteFacts,
    ThumbnailFacts,
    VerificationFacts,
)
from pitchey_core.ffmpeg.loudness import LoudnessReport
from pitchey_core.ffmpeg.steps import StreamReport
from pitchey_core.processor import Facts

__all__ = ["VideoFacts"]


class VideoFacts(Facts):
    """Facts of a ``video`` job.

    Attributes:
        streams: What became of each stream of the input, and why.
        encoder: ``None`` if the picture was copied.
        loudness: One entry for each track that was measured.
        timings: Seconds of wall time by step, and ``encode_cpu`` in CPU seconds.
        warnings: What a person should know although the job is done.
    """

    input: FileSummary
    output_name: str
    output: FileSummary
    streams: list[StreamReport]
    encoder: EncoderFacts | None = None
    thumbnails: list[ThumbnailFacts] = Field(default_factory=list)
    poster: ThumbnailFacts | None = None
    sprite: SpriteFacts | None = None
    loudness: list[LoudnessReport] = Field(default_factory=list)
    verification: VerificationFacts
    timings: dict[str, float] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
