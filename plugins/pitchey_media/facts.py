"""What a ``media`` job reports."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from pitchey_core.ffmpeg.facts import (
    EncoderFacts,
    FileSummary,
    SpriteFacts,
    ThumbnailFacts,
    VerificationFacts,
)
from pitchey_core.ffmpeg.steps import StreamReport
from pitchey_core.processor import Facts

__all__ = ["LoudnessFacts", "MediaFacts", "OutputFacts", "PresetFacts", "QualityFacts", "TrialFacts"]


class LoudnessFacts(BaseModel):
    """Loudness of one track, by EBU R 128.

    Attributes:
        stream: Index in the input.
        before_lufs, after_lufs: Integrated loudness; ``None`` for silence, which is left alone.
        before_peak_dbtp, after_peak_dbtp: True peak.
        range_lu: Loudness range of the input.
        gain_db: What it was amplified by.
        limited: Whether peaks were limited.
    """

    stream: int
    target_lufs: float
    before_lufs: float | None = None
    before_peak_dbtp: float | None = None
    range_lu: float | None = None
    gain_db: float = 0.0
    limited: bool = False
    after_lufs: float | None = None
    after_peak_dbtp: float | None = None


class TrialFacts(BaseModel):
    """One trial of a search: a value and the score that the samples reached with it."""

    crf: int
    score: float


class QualityFacts(BaseModel):
    """A search for the constant-quality value that reaches a quality.

    Attributes:
        metric: ``vmaf`` or ``ssim``, as a percentage.
        reason: Why it is not the metric that was asked for.
        crf: What was chosen.
        predicted: The samples' score with it.
        final: The whole output's score, every ``final_every``-th picture.
        sample_seconds: Play time that was tried, in all samples together.
    """

    metric: Literal["vmaf", "ssim"]
    reason: str | None = None
    target: float
    crf: int
    predicted: float
    final: float | None = None
    final_every: int = 1
    sample_seconds: float
    trials: list[TrialFacts]


class OutputFacts(BaseModel):
    """One media file that a preset made: the name of its artifact, and what is in it."""

    name: str
    summary: FileSummary
    encoder: EncoderFacts | None = None
    verification: VerificationFacts


class PresetFacts(BaseModel):
    """What became of one preset.

    Attributes:
        error: Why it failed, as in a Result.
        artifacts: Names of everything that it made.
        streams: What became of each stream of the input, and why.
        playlist: Name of the master playlist of a ladder.
    """

    preset: str
    status: Literal["completed", "failed"]
    error: dict[str, Any] | None = None
    artifacts: list[str] = Field(default_factory=list)
    outputs: list[OutputFacts] = Field(default_factory=list)
    streams: list[StreamReport] = Field(default_factory=list)
    playlist: str | None = None
    loudness: list[LoudnessFacts] = Field(default_factory=list)
    quality: QualityFacts | None = None
    warnings: list[str] = Field(default_factory=list)


class MediaFacts(Facts):
    """Facts of a ``media`` job.

    Attributes:
        presets: In the order of the payload.
        timings: Seconds of wall time by step, and ``encode_cpu`` in CPU seconds.
        warnings: What a person should know although the job is done.
    """

    input: FileSummary
    presets: list[PresetFacts]
    thumbnails: list[ThumbnailFacts] = Field(default_factory=list)
    poster: ThumbnailFacts | None = None
    sprite: SpriteFacts | None = None
    timings: dict[str, float] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
