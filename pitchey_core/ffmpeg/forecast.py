"""Predict what an encode will take, by encoding a moment of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pitchey_core.ffmpeg.encode import run_ffmpeg
from pitchey_core.ffmpeg.frames import FrameReader
from pitchey_core.ffmpeg.graph import Target, build_arguments
from pitchey_core.ffmpeg.hardware import EncoderChoice
from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.steps import StreamPlan

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["Estimate", "estimate"]

_SAMPLE_SECONDS = 2.0
# Starting ffmpeg and opening files; a share of the sample that must not be multiplied.
_START_SECONDS = 0.15
# Containers round times; a seek to just before a key frame would land on the one before.
_PAST_KEY = 0.002
# Read, rewrite for fast start and verify: slow disks included. Only the order of magnitude matters here.
_COPY_BYTES_PER_SECOND = 150e6
_COPY_CPU_PER_BYTE = 1.5e-9


@dataclass(frozen=True, slots=True)
class Estimate:
    """A prediction: seconds of wall and CPU time, and bytes of output."""

    wall_seconds: float
    cpu_seconds: float
    output_bytes: int


def estimate(
    job: JobContext, info: MediaInfo, plans: Sequence[tuple[StreamPlan, EncoderChoice | None]]
) -> Estimate | None:
    """Predict the one run that makes several outputs; ``None`` if the play time of the input is unknown.

    If any of them is encoded, all are tried on two seconds near the middle of the part, in the job's own work folder.
    """
    wanted = plans[0][0].wanted
    if info.duration_seconds is None:
        return None
    start = wanted.start or 0.0
    seconds = max(0.0, info.duration_seconds - start)
    if wanted.duration is not None:
        seconds = min(seconds, wanted.duration)
    if not any(plan.encodes for plan, _ in plans):
        size = int(info.bytes * min(1.0, seconds / info.duration_seconds)) * len(plans)
        return Estimate(
            round(_START_SECONDS + size / _COPY_BYTES_PER_SECOND, 2),
            round(_START_SECONDS + size * _COPY_CPU_PER_BYTE, 2),
            size,
        )
    length = min(_SAMPLE_SECONDS, seconds)
    middle = _from_key_frame(job, info, start, start + (seconds - length) / 2)
    targets = [
        Target(
            replace(plan, wanted=replace(plan.wanted, start=middle, duration=length)),
            job.workdir / f"sample-{number}.{plan.wanted.container.name}",
            encoder,
        )
        for number, (plan, encoder) in enumerate(plans)
    ]
    try:
        stats = run_ffmpeg(
            job,
            build_arguments(
                info, targets, threads=job.threads, pixels=job.limits.pixels, start=middle, duration=length
            ),
            duration=length,
        )
        size = sum(target.path.stat().st_size for target in targets)
    finally:
        for target in targets:
            target.path.unlink(missing_ok=True)
    factor = seconds / length if length else 1.0
    return Estimate(
        round(max(0.0, stats.wall_seconds - _START_SECONDS) * factor + _START_SECONDS, 2),
        round(max(0.0, stats.cpu_seconds - _START_SECONDS) * factor + _START_SECONDS, 2),
        int(size * factor),
    )


def _from_key_frame(job: JobContext, info: MediaInfo, low: float, high: float) -> float:
    """The last key frame in a range of times, so that the sample pays for no pictures before it; else ``high``."""
    if info.main_video is None:
        return high
    with FrameReader(info, pixels=job.limits.pixels) as reader:
        keys = [key for key in reader.key_times if low <= key <= high]
    return keys[-1] + _PAST_KEY if keys else high
