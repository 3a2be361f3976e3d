"""Two-pass loudness normalisation (EBU R 128): measure, then correct with what was measured.

One pass alone works without knowing what comes, and pumps. With measured values ``loudnorm`` applies one constant gain,
as long as the true-peak limit allows it.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pitchey_core.errors import ToolFailed
from pitchey_core.ffmpeg.filters import Filter
from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.naming import file_argument
from pitchey_core.ffmpeg.options import GLOBAL_OPTIONS, cut_of, input_options

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["LoudnessReport", "loudness_filters", "measure_loudness"]

# EBU R 128 s1 and common platform advice: peaks at most -1.5 dBTP; a range target that leaves normal material alone.
_TRUE_PEAK = -1.5
_RANGE = 11.0
# loudnorm's own bound up to ffmpeg 5.
_WIDEST_RANGE = 20.0
_LOWEST = -70.0
_SAMPLE_RATE = 48000


@dataclass(frozen=True, slots=True)
class LoudnessReport:
    """Loudness of one sound stream.

    Attributes:
        stream: Index in the input.
        target_lufs: What it is normalised to.
        measured_lufs: Integrated loudness found; ``None`` for silence, which is left alone.
        measured_peak_dbtp: True peak found.
        measured_range_lu: Loudness range found.
        threshold_lufs, offset_lu: What the second pass needs besides.
    """

    stream: int
    target_lufs: float
    measured_lufs: float | None
    measured_peak_dbtp: float | None = None
    measured_range_lu: float | None = None
    threshold_lufs: float | None = None
    offset_lu: float | None = None

    def towards(self, target_lufs: float) -> LoudnessReport:
        """The same measurement for another target."""
        if target_lufs == self.target_lufs:
            return self
        return replace(self, target_lufs=target_lufs, offset_lu=None)


def measure_loudness(
    job: JobContext,
    info: MediaInfo,
    stream: int,
    target_lufs: float,
    *,
    start: float | None = None,
    duration: float | None = None,
) -> LoudnessReport:
    """Measure one sound stream of an input.

    Args:
        stream: Its index in the file.
        target_lufs: Integrated loudness wanted, -70 to -5.
        start, duration: The part to measure, in seconds.

    Raises:
        ToolFailed: ffmpeg could not decode it.
    """
    cut = cut_of(info.demuxer, start, duration)
    options = input_options(info.demuxer, threads=job.threads, pixels=job.limits.pixels) | cut.input
    settings = f"loudnorm=I={target_lufs:g}:TP={_TRUE_PEAK:g}:LRA={_RANGE:g}:print_format=json"
    done = job.run(
        "ffmpeg",
        [
            *GLOBAL_OPTIONS,
            *("-loglevel", "info"),
            *(word for name, value in options.items() for word in (f"-{name}", value)),
            *("-i", file_argument(info.path), "-map", f"0:{stream}", "-af", settings),
            *(word for name, value in cut.output.items() for word in (f"-{name}", value)),
            *("-vn", "-sn", "-dn", "-f", "null", "-"),
        ],
    )
    found = re.findall(r"\{[^{}]*\"input_i\"[^{}]*\}", done.stderr.decode("utf-8", "replace"))
    if not found:
        raise ToolFailed(
            f"ffmpeg measured no loudness of stream {stream}", tool="ffmpeg", returncode=done.returncode
        )
    values = json.loads(found[-1])
    measured = _number(values["input_i"])
    if measured is None or measured <= _LOWEST:
        return LoudnessReport(stream, target_lufs, None)
    return LoudnessReport(
        stream,
        target_lufs,
        measured,
        _number(values["input_tp"]),
        _number(values["input_lra"]),
        _number(values["input_thresh"]),
        _number(values["target_offset"]),
    )


def _number(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def loudness_filters(report: LoudnessReport) -> tuple[Filter, ...]:
    """The second pass; nothing for silence."""
    if report.measured_lufs is None:
        return ()
    options = {
        "I": report.target_lufs,
        "TP": _TRUE_PEAK,
        # A range wider than the target would make it compress instead of applying one gain.
        "LRA": min(max(_RANGE, math.ceil(report.measured_range_lu or 0.0)), _WIDEST_RANGE),
        "measured_I": report.measured_lufs,
        "measured_TP": report.measured_peak_dbtp,
        "measured_LRA": report.measured_range_lu,
        "measured_thresh": report.threshold_lufs,
        "offset": report.offset_lu,
    }
    given = {name: f"{value:g}" for name, value in options.items() if value is not None}
    # loudnorm works at 192 kHz inside and would leave the sound there.
    return (
        Filter("loudnorm", (*given.items(), ("linear", "true"))),
        Filter("aresample", (("sample_rate", str(_SAMPLE_RATE)),)),
    )
