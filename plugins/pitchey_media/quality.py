"""Find the constant-quality value that reaches a quality, on short samples spread over the title.

The score falls almost linearly with the value near a target, so a few trials, each placed by interpolation between the
last ones, are enough; a search by halves would take twice as many.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pitchey_core.errors import ToolFailed
from pitchey_core.ffmpeg.encode import run_ffmpeg
from pitchey_core.ffmpeg.encoders import VideoEncoder, encoder_options
from pitchey_core.ffmpeg.formats import container
from pitchey_core.ffmpeg.graph import build_arguments
from pitchey_core.ffmpeg.hardware import EncoderChoice
from pitchey_core.ffmpeg.naming import file_argument
from pitchey_core.ffmpeg.options import GLOBAL_OPTIONS, as_words, cut_of, input_options
from pitchey_core.ffmpeg.renditions import Target
from pitchey_core.ffmpeg.similarity import Metric, Reference, best_metric, similarity
from pitchey_core.ffmpeg.steps import StreamPlan
from pitchey_core.ffmpeg.tool import build_of
from pitchey_core.ffmpeg.transcode import Rendered, Transcoder
from pitchey_media.facts import QualityFacts, TrialFacts
from pitchey_media.schema import QualityTarget

__all__ = ["QualitySearch", "score_of"]

_SAMPLE_SECONDS: Final = 2.0
_SAMPLES: Final = (4, 8)
# Of the title, so that a search costs a small part of a long encode.
_SAMPLED_SHARE: Final = 0.15
_MOST_TRIALS: Final = 6
# Points of VMAF that one step of x264's scale makes near 93; only the first step depends on it.
_USUAL_SLOPE: Final = 1.3
# Close enough: half of what one step of the scale makes.
_CLOSE: Final = 0.4
# SSIM in percent that looks like a VMAF, by linear fit on x264 encodes of Big Buck Bunny; a stand-in, no equivalence.
_SSIM_OF_VMAF: Final = ((80.0, 95.5), (93.0, 97.8), (100.0, 99.6))
_SCORED_FRAMES: Final = 750
_FFV1: Final = VideoEncoder("ffv1", "ffv1", 0, 0)
_LOSSLESS: Final = ("-c:v", "ffv1", "-level", "3", "-slices", "4")
_LOSSLESS_OPTIONS: Final = {"level": "3", "slices": "4"}
_MATROSKA: Final = container("mkv")


@dataclass(slots=True)
class _Samples:
    """The reference pictures of all samples in one file, without loss."""

    path: Path
    seconds: float


class QualitySearch:
    """The search for one output.

    Args:
        plan: Encodes the picture; its constant-quality value is what is looked for.
    """

    def __init__(self, work: Transcoder, plan: StreamPlan, target: QualityTarget) -> None:
        assert plan.video is not None
        self._work = work
        self._plan = plan
        self._step = plan.video
        self._target = target
        self._metric, self._reason = best_metric(build_of(work.job.tool("ffmpeg")))
        self._scores: dict[int, float] = {}

    def run(self) -> QualityFacts:
        """Search, and report.

        Raises:
            ToolFailed: ffmpeg failed on the samples.
        """
        with self._work.timed("quality_search"):
            samples = self._sample()
            try:
                crf = self._search(samples)
            finally:
                samples.path.unlink(missing_ok=True)
        return QualityFacts(
            metric=self._metric,
            reason=self._reason,
            target=self._wanted_score,
            crf=crf,
            predicted=self._scores[crf],
            sample_seconds=round(samples.seconds, 3),
            trials=[TrialFacts(crf=each, score=score) for each, score in self._scores.items()],
        )

    @property
    def _wanted_score(self) -> float:
        if self._metric == "vmaf":
            return self._target.vmaf
        return round(_interpolated(self._target.vmaf, _SSIM_OF_VMAF), 3)

    # -- the search ---------------------------------------------------------------------------------------------

    def _search(self, samples: _Samples) -> int:
        """The largest value that reaches the target, give or take :data:`_CLOSE`."""
        encoder = self._work.encoder(self._plan)
        assert encoder is not None
        low, high = self._target.min_crf, min(self._target.max_crf, encoder.software.max_quality)
        crf = max(low, min(high, encoder.software.quality))
        slope = _USUAL_SLOPE if self._metric == "vmaf" else _USUAL_SLOPE / 4
        while len(self._scores) < _MOST_TRIALS:
            score = self._trial(samples, encoder, crf)
            if abs(score - self._wanted_score) <= _CLOSE * slope / _USUAL_SLOPE:
                return crf
            if score >= self._wanted_score:
                low = crf
            else:
                high = crf
            following = self._next(crf, low, high, slope)
            if following in self._scores:
                break
            crf = following
        good = [each for each, score in self._scores.items() if score >= self._wanted_score]
        return max(good) if good else min(self._scores)

    def _next(self, crf: int, low: int, high: int, slope: float) -> int:
        above = {c: s for c, s in self._scores.items() if s >= self._wanted_score}
        below = {c: s for c, s in self._scores.items() if s < self._wanted_score}
        if above and below:
            a, b = max(above), min(below)
            share = (above[a] - self._wanted_score) / (above[a] - below[b])
            return max(a + 1, min(b - 1, math.floor(a + share * (b - a)))) if b - a > 1 else a
        step = (self._scores[crf] - self._wanted_score) / slope
        wanted = crf + (math.floor(step) or (1 if step > 0 else -1))
        return max(low, min(high, wanted))

    def _trial(self, samples: _Samples, encoder: EncoderChoice, crf: int) -> float:
        work, job = self._work, self._work.job
        job.progress(None, f"looking for the quality: crf {crf}")
        path = job.workdir / f"trial-{crf}.mkv"
        assert self._step.size is not None
        options = encoder_options(
            encoder.software,
            speed=self._plan.wanted.speed,
            quality=crf,
            bit_rate=None,
            threads=job.threads,
            width=self._step.size[0],
            max_bit_rate=self._plan.wanted.max_bitrate,
            profile=self._plan.wanted.profile,
        )
        try:
            job.run(
                "ffmpeg",
                [
                    *GLOBAL_OPTIONS,
                    *("-loglevel", "warning"),
                    *as_words(input_options("matroska", threads=job.threads, pixels=job.limits.pixels)),
                    *("-i", file_argument(samples.path), "-map", "0:0", "-c:v", encoder.software.name),
                    *as_words(options),
                    *("-threads", str(job.threads), "-f", "matroska", file_argument(path)),
                ],
            )
            score = similarity(job, path, "matroska", Reference(samples.path, "matroska"), self._metric)
        finally:
            path.unlink(missing_ok=True)
        work.job.log.info("crf %d: %s %.2f", crf, self._metric, score)
        self._scores[crf] = score
        return score

    # -- samples ------------------------------------------------------------------------------------------------

    def _sample(self) -> _Samples:
        """The samples, as the encoder will get them, in one file."""
        work, job = self._work, self._work.job
        total = work.seconds or _SAMPLE_SECONDS
        least, most = _SAMPLES
        count = max(least, min(most, round(total * _SAMPLED_SHARE / _SAMPLE_SECONDS)))
        length = min(_SAMPLE_SECONDS, total / count)
        parts = []
        for number in range(count):
            middle = (number + 0.5) * total / count
            start = (work.start or 0.0) + max(0.0, min(middle - length / 2, total - length))
            parts.append(self._part(number, start, length))
        path = job.workdir / "samples.mkv"
        inputs = [
            word
            for part in parts
            for word in (
                *as_words(input_options("matroska", threads=job.threads, pixels=job.limits.pixels)),
                "-i",
                file_argument(part),
            )
        ]
        marks = "".join(f"[{number}:0]" for number in range(count))
        job.run(
            "ffmpeg",
            [
                *GLOBAL_OPTIONS,
                *("-loglevel", "warning", *inputs),
                *("-filter_complex", f"{marks}concat=n={count}:v=1:a=0[v]", "-map", "[v]"),
                *_LOSSLESS,
                *("-f", "matroska", file_argument(path)),
            ],
        )
        for part in parts:
            part.unlink()
        return _Samples(path, count * length)

    def _part(self, number: int, start: float, length: float) -> Path:
        work, job = self._work, self._work.job
        path = job.workdir / f"sample-{number}.mkv"
        wanted = replace(self._plan.wanted, start=start, duration=length, audio_codec="none")
        plan = replace(self._plan, wanted=wanted, audio=(), subtitles=(), attachments=())
        choice = EncoderChoice("ffv1", "ffv1", _FFV1, options=dict(_LOSSLESS_OPTIONS))
        run_ffmpeg(
            job,
            build_arguments(
                work.info,
                [Target(replace(plan, wanted=replace(wanted, container=_MATROSKA)), path, choice)],
                threads=job.threads,
                pixels=job.limits.pixels,
                start=start,
                duration=length,
            ),
        )
        return path


def score_of(work: Transcoder, rendered: Rendered, metric: Metric) -> tuple[float, int]:
    """The score of a whole output, and which share of its pictures was scored (every n-th).

    Raises:
        ToolFailed: There is no score.
    """
    step = rendered.plan.video
    if step is None:
        raise ToolFailed("there is no picture to score", tool="ffmpeg")
    pictures = rendered.stats.frames or 0
    every = max(1, pictures // _SCORED_FRAMES) if metric == "vmaf" else 1
    reference = Reference(
        work.info.path,
        work.info.demuxer,
        step.source.index,
        step.filters,
        cut_of(work.info, rendered.plan.wanted.start, rendered.plan.wanted.duration),
    )
    work.job.progress(None, "scoring the output")
    demuxer = rendered.plan.wanted.container.demuxer
    return similarity(work.job, rendered.rendition.path, demuxer, reference, metric, every=every), every


def _interpolated(value: float, points: tuple[tuple[float, float], ...]) -> float:
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if value <= x1 or (x1, y1) == points[-1]:
            return y0 + (value - x0) * (y1 - y0) / (x1 - x0)
    return value
