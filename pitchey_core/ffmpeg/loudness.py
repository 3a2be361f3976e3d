"""Loudness normalisation to EBU R 128: measure, then apply one gain, and limit true peaks only where they need it.

The second pass of ffmpeg's ``loudnorm`` does the same as long as the peaks have room, and turns to dynamic processing
where they have not, which changes the balance of loud and soft parts and misses the target on short titles. Here a
limiter at four times the sample rate catches the peaks, and the loudness that it takes is measured and given back.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pitchey_core.errors import ToolFailed
from pitchey_core.ffmpeg.filters import Filter, written
from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.naming import file_argument
from pitchey_core.ffmpeg.options import GLOBAL_OPTIONS, as_words, cut_of, input_options

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["Loudness", "LoudnessReport", "loudness_filters", "measure_loudness", "normalisation"]

# Platforms ask for at most -1 dBTP in what they get; lossy codecs add up to 1.5 dB to what they are given.
_CEILING_DBTP: Final = -2.5
_LOWEST: Final = -70.0
_SAMPLE_RATE: Final = 48000
_OVERSAMPLED: Final = 192000
_CORRECTIONS: Final = 4
_CLOSE_LU: Final = 0.1
# More than this above the gain that the loudness alone asks for would be heard as distortion.
_MOST_EXTRA_DB: Final = 9.0


@dataclass(frozen=True, slots=True)
class Loudness:
    """What was measured of one sound, by EBU R 128.

    Attributes:
        lufs: Integrated loudness; ``None`` for silence.
        peak_dbtp: True peak.
        range_lu: Loudness range.
    """

    lufs: float | None
    peak_dbtp: float | None = None
    range_lu: float | None = None


@dataclass(frozen=True, slots=True)
class LoudnessReport:
    """How one sound stream is normalised.

    Attributes:
        stream: Index in the input.
        target_lufs: What it is normalised to.
        measured_lufs: Integrated loudness found; ``None`` for silence, which is left alone.
        measured_peak_dbtp: True peak found.
        measured_range_lu: Loudness range found.
        gain_db: What it is amplified by.
        limited: Whether peaks have to be limited.
    """

    stream: int
    target_lufs: float
    measured_lufs: float | None
    measured_peak_dbtp: float | None = None
    measured_range_lu: float | None = None
    gain_db: float = 0.0
    limited: bool = False


def measure_loudness(
    job: JobContext,
    info: MediaInfo,
    stream: int,
    *,
    filters: Sequence[Filter] = (),
    start: float | None = None,
    duration: float | None = None,
) -> Loudness:
    """Measure one sound stream of a file.

    Args:
        stream: Its index in the file.
        filters: What it goes through before it is measured.
        start, duration: The part to measure, in seconds.

    Raises:
        ToolFailed: ffmpeg could not decode it.
    """
    cut = cut_of(info, start, duration)
    options = input_options(info.demuxer, threads=job.threads, pixels=job.limits.pixels) | cut.input
    chain = ",".join([*map(written, (*cut.before(), *filters)), "loudnorm=print_format=json"])
    done = job.run(
        "ffmpeg",
        [
            *GLOBAL_OPTIONS,
            *("-loglevel", "info"),
            *as_words(options),
            *("-i", file_argument(info.path), "-map", f"0:{stream}", "-af", chain),
            *("-vn", "-sn", "-dn", "-f", "null", "-"),
        ],
    )
    found = re.findall(r"\{[^{}]*\"input_i\"[^{}]*\}", done.stderr.decode("utf-8", "replace"))
    if not found:
        raise ToolFailed(
            f"ffmpeg measured no loudness of stream {stream}", tool="ffmpeg", returncode=done.returncode
        )
    values = json.loads(found[-1])
    lufs = _number(values["input_i"])
    if lufs is None or lufs <= _LOWEST:
        return Loudness(None)
    return Loudness(lufs, _number(values["input_tp"]), _number(values["input_lra"]))


def _number(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def normalisation(
    job: JobContext,
    info: MediaInfo,
    stream: int,
    target_lufs: float,
    *,
    layout: str | None = None,
    start: float | None = None,
    duration: float | None = None,
) -> LoudnessReport:
    """Find the gain that brings a sound stream to a loudness.

    Args:
        target_lufs: Integrated loudness wanted, -70 to -5.
        layout: Channel layout in which it will be heard; mixing down changes the loudness.

    Raises:
        ToolFailed: ffmpeg could not decode it.
    """
    mixed = mixing(layout)
    before = measure_loudness(job, info, stream, filters=mixed, start=start, duration=duration)
    if before.lufs is None:
        return LoudnessReport(stream, target_lufs, None)
    gain = wanted = target_lufs - before.lufs
    limited = before.peak_dbtp is not None and before.peak_dbtp + gain > _CEILING_DBTP
    if limited:
        tried: list[tuple[float, float]] = []
        for _ in range(_CORRECTIONS):
            chain = (*mixed, *_amplified(gain, limited=True))
            after = measure_loudness(job, info, stream, filters=chain, start=start, duration=duration).lufs
            if after is None or abs(after - target_lufs) <= _CLOSE_LU:
                break
            tried.append((gain, after))
            gain = min(_better(tried, target_lufs), wanted + _MOST_EXTRA_DB)
    return LoudnessReport(
        stream, target_lufs, before.lufs, before.peak_dbtp, before.range_lu, round(gain, 3), limited
    )


def _better(tried: Sequence[tuple[float, float]], target: float) -> float:
    """The next gain: on the line through the last two trials, since a limiter gives back less than it gets."""
    gain, lufs = tried[-1]
    if len(tried) > 1:
        gain_before, lufs_before = tried[-2]
        slope = (lufs - lufs_before) / (gain - gain_before) if gain != gain_before else 1.0
        if slope > 0.1:
            return gain + (target - lufs) / slope
    return gain + (target - lufs)


def mixing(layout: str | None) -> tuple[Filter, ...]:
    """What brings sound into a channel layout."""
    return (Filter("aformat", (("channel_layouts", layout),)),) if layout is not None else ()


def loudness_filters(report: LoudnessReport, layout: str | None = None) -> tuple[Filter, ...]:
    """The second pass; nothing for silence.

    Args:
        layout: As for :func:`normalisation`.
    """
    if report.measured_lufs is None:
        return ()
    return (*mixing(layout), *_amplified(report.gain_db, limited=report.limited))


def _amplified(gain: float, *, limited: bool) -> tuple[Filter, ...]:
    louder = Filter("volume", (("volume", f"{gain:.3f}dB"),))
    if not limited:
        return (louder,)
    ceiling = 10 ** (_CEILING_DBTP / 20)
    # Between two samples a peak may be higher than both; at four times the rate hardly.
    limiter = {"limit": f"{ceiling:.5f}", "attack": "5", "release": "100", "level": "0", "latency": "1"}
    return (
        louder,
        Filter("aresample", (("sample_rate", str(_OVERSAMPLED)),)),
        Filter("alimiter", tuple(limiter.items())),
        Filter("aresample", (("sample_rate", str(_SAMPLE_RATE)),)),
    )
