"""The ``video`` processor: probe, plan, encode, verify, take pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pitchey_core.errors import InputError, ToolFailed
from pitchey_core.ffmpeg.encode import EncodeStats, run_ffmpeg
from pitchey_core.ffmpeg.forecast import estimate
from pitchey_core.ffmpeg.graph import Sheet, Target, build_arguments
from pitchey_core.ffmpeg.hardware import EncoderChoice, choose_encoder
from pitchey_core.ffmpeg.loudness import LoudnessReport, measure_loudness
from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.naming import shown_name
from pitchey_core.ffmpeg.packets import measured
from pitchey_core.ffmpeg.plan import plan_streams
from pitchey_core.ffmpeg.probing import probe
from pitchey_core.ffmpeg.sprite import SpriteLayout, sprite_layout
from pitchey_core.ffmpeg.steps import StreamPlan
from pitchey_core.ffmpeg.tool import build_of
from pitchey_core.ffmpeg.verify import Expected, Verification, early_end, verify_output
from pitchey_core.processor import Plan, PlanningProcessor, PlanStep
from pitchey_video.facts import EncoderFacts, FileSummary, VerificationFacts, VideoFacts
from pitchey_video.names import Outputs
from pitchey_video.payload import VideoPayload
from pitchey_video.pictures import Pictures, take_pictures

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["VideoProcessor"]

# Shares of the progress bar: by far most of the time goes into the encode.
_ENCODE_FROM, _VERIFY_FROM, _PICTURES_FROM = 0.02, 0.93, 0.96


@dataclass(slots=True)
class _Work:
    """What is known and done so far in one job."""

    payload: VideoPayload
    job: JobContext
    name: str
    info: MediaInfo
    outputs: Outputs
    timings: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    loudness: dict[int, LoudnessReport] = field(default_factory=dict)
    layout: SpriteLayout | None = None

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.timings[step] = round(self.timings.get(step, 0.0) + time.monotonic() - started, 4)

    def progress(
        self, low: float, high: float, message: str
    ) -> Callable[[float | None, dict[str, float]], None]:
        """A reporter that maps 0…1 onto a part of the job's progress."""

        def report(fraction: float | None, figures: dict[str, float]) -> None:
            self.job.progress(None if fraction is None else low + (high - low) * fraction, message, **figures)

        return report


@dataclass(frozen=True, slots=True)
class _Encoded:
    plan: StreamPlan
    encoder: EncoderChoice | None
    stats: EncodeStats
    verification: Verification


class VideoProcessor(PlanningProcessor[VideoPayload, VideoFacts]):
    """Transcodes one video; see :class:`~pitchey_video.payload.VideoPayload`."""

    def process(self, payload: VideoPayload, job: JobContext) -> VideoFacts:
        """Make the output and its pictures.

        Raises:
            InputError: The input is missing, damaged, no video, or ends before its header says.
            LimitExceeded: It is larger or longer than the job may take.
            OutputExists: An output is there already.
            ToolMissing, ToolFailed: ffmpeg is not here, cannot do what is asked, or failed.
        """
        started = time.monotonic()
        job.progress(0.0, "reading the input")
        path = job.fetch(payload.input_url)
        outputs = Outputs(payload, job)
        name = shown_name(payload.input_url)
        probing = time.monotonic()
        info = probe(path, limits=job.limits, name=name)
        work = _Work(payload, job, name, info, outputs)
        work.timings["probe"] = round(time.monotonic() - probing, 4)
        done = self._encode(work)
        job.progress(_PICTURES_FROM, "taking pictures")
        with work.timed("pictures"):
            output = probe(outputs.video, limits=job.limits)
            pictures = take_pictures(payload, job, output, outputs, work.layout)
        job.progress(1.0, "done")
        work.timings["total"] = round(time.monotonic() - started, 4)
        return _facts(work, done, output, pictures)

    def plan(self, payload: VideoPayload, job: JobContext) -> Plan:
        """What would happen to each stream, with time and size predicted from two seconds of the input."""
        info = probe(job.fetch(payload.input_url), limits=job.limits, name=shown_name(payload.input_url))
        plan = self._plan(payload, job, info, shown_name(payload.input_url))
        encoder = self._encoder(payload, job, plan, payload.hardware)
        expected = estimate(job, info, plan, encoder)
        steps = [
            PlanStep(subject=f"{r.kind} stream {r.index}", action=r.action, detail=r.to, reason=r.reason)
            for r in plan.reports
        ]
        steps += [PlanStep(subject="warning", action="note", detail=words) for words in plan.warnings]
        what = next(report for report in plan.reports if report.index == plan.video.source.index)
        return Plan(
            summary=f"{payload.output_format}: {what.action} {what.to}".strip(),
            steps=steps,
            wall_seconds=expected.wall_seconds if expected else None,
            cpu_seconds=expected.cpu_seconds if expected else None,
            output_bytes=expected.output_bytes if expected else None,
        )

    def _plan(
        self, payload: VideoPayload, job: JobContext, info: MediaInfo, name: str, *, force: bool = False
    ) -> StreamPlan:
        wanted = payload.wanted()
        main = info.main_video
        hdr = main is not None and main.video is not None and main.video.hdr is not None
        # Asking ffmpeg what it can costs two starts of it, so only where the answer matters.
        can_tone_map = not hdr or build_of(job.tool("ffmpeg")).has_filters("zscale", "tonemap")
        return plan_streams(info, wanted.forced() if force else wanted, can_tone_map=can_tone_map, name=name)

    def _encoder(
        self, payload: VideoPayload, job: JobContext, plan: StreamPlan, hardware: str
    ) -> EncoderChoice | None:
        if plan.video.action == "copy":
            return None
        return choose_encoder(
            job, plan.video.codec, hardware=hardware, crf=payload.crf, bit_rate=payload.video_bitrate
        )

    def _encode(self, work: _Work) -> _Encoded:
        """Make and verify the output; falls back from hardware to software, and from copying to encoding."""
        hardware, force, reason = work.payload.hardware, False, None
        while True:
            plan = self._plan(work.payload, work.job, work.info, work.name, force=force)
            encoder = self._encoder(work.payload, work.job, plan, hardware)
            if encoder is not None and reason is not None:
                encoder = encoder.because(reason)
            try:
                done = self._attempt(work, plan, encoder)
            except ToolFailed as failure:
                if encoder is not None and encoder.hardware is not None:
                    hardware, reason = "off", f"{encoder.hardware}: {failure.message}"
                elif plan.copies_by_choice and not force:
                    force = True
                    work.warnings.append(f"copying failed, so it was encoded: {failure.message}")
                else:
                    raise
                work.outputs.video.unlink(missing_ok=True)
                continue
            work.warnings[:0] = [*plan.warnings, *done.verification.warnings]
            return done

    def _attempt(self, work: _Work, plan: StreamPlan, encoder: EncoderChoice | None) -> _Encoded:
        job, info, path = work.job, work.info, work.outputs.video
        self._measure(work, plan)
        expected = Expected.of(info, plan)
        sheet = self._sheet(work, plan, expected)
        targets = [Target(plan, path, encoder, work.loudness)]
        with work.timed("encode"):
            stats = run_ffmpeg(
                job,
                build_arguments(info, targets, threads=job.threads, pixels=job.limits.pixels, sheet=sheet),
                duration=expected.seconds,
                report=work.progress(_ENCODE_FROM, _VERIFY_FROM, "encoding" if plan.encodes else "copying"),
            )
        work.timings["encode_cpu"] = round(stats.cpu_seconds, 4)
        job.progress(_VERIFY_FROM, "verifying")
        with work.timed("verify"):
            verification = self._verify(work, plan, stats)
        return _Encoded(plan, encoder, stats, verification)

    def _verify(self, work: _Work, plan: StreamPlan, stats: EncodeStats) -> Verification:
        def compare(info: MediaInfo) -> Verification:
            return verify_output(
                work.outputs.video,
                plan.wanted.container.demuxer,
                Expected.of(info, plan, frames=stats.frames),
                full=work.payload.full_verify,
                threads=work.job.threads,
                check=work.job.check,
            )

        verification = compare(work.info)
        if verification.short:
            real = measured(work.info, check=work.job.check)
            ends = early_end(work.info, real)
            if ends is not None:
                kept = f"{max(ends[1] - 0.5 - (plan.wanted.start or 0.0), 0.1):.1f}"
                raise InputError(
                    f"{work.name!r} ends early: its header claims {ends[0]:.1f} s, but it stops at {ends[1]:.1f} s",
                    remedy=f"copy or download it again, or keep what is there with duration={kept}",
                )
            # Complete, but its header counts a track that is not kept, such as subtitles behind the last picture.
            verification = compare(real)
        if not verification.ok:
            problems = "; ".join(verification.problems)
            raise ToolFailed(
                f"ffmpeg reported success for {work.name!r}, but the output is not right: {problems}",
                tool="ffmpeg",
                returncode=0,
                stderr_tail=stats.messages,
                remedy="the input may be damaged: play it to the end; if it is fine, try another speed or codec",
            )
        return verification

    def _measure(self, work: _Work, plan: StreamPlan) -> None:
        """First pass of the loudness normalisation."""
        wanted = plan.wanted
        if wanted.loudness is None or work.loudness:
            return
        with work.timed("loudness"):
            for step in plan.audio:
                work.job.progress(_ENCODE_FROM, "measuring loudness")
                work.loudness[step.source.index] = measure_loudness(
                    work.job,
                    work.info,
                    step.source.index,
                    wanted.loudness,
                    start=wanted.start,
                    duration=wanted.duration,
                )

    def _sheet(self, work: _Work, plan: StreamPlan, expected: Expected) -> Sheet | None:
        """The sprite sheet as a branch of the encode, where there is one and the play time is known."""
        work.layout = None
        if not work.payload.sprite or plan.video.size is None or not expected.seconds:
            return None
        seconds = expected.video_seconds or expected.seconds
        layout = work.layout = sprite_layout(seconds, plan.video.size)
        return Sheet(
            work.job.workdir / "sheet.png",
            layout.interval,
            (layout.width, layout.height),
            layout.columns,
            layout.rows,
        )


def _facts(work: _Work, done: _Encoded, output: MediaInfo, pictures: Pictures) -> VideoFacts:
    encoder, stats, verification = done.encoder, done.stats, done.verification
    return VideoFacts(
        input=FileSummary.of(work.info),
        output_name=work.outputs.names.video,
        output=FileSummary.of(output, format_name=work.payload.output_format),
        streams=list(done.plan.reports),
        encoder=None
        if encoder is None
        else EncoderFacts(
            name=encoder.name,
            codec=encoder.codec,
            hardware=encoder.hardware,
            fallback_reason=encoder.fallback_reason,
            frames=stats.frames,
            frames_duplicated=stats.duplicated,
            frames_dropped=stats.dropped,
            speed=stats.speed,
        ),
        thumbnails=pictures.thumbnails,
        poster=pictures.poster,
        sprite=pictures.sprite,
        loudness=list(work.loudness.values()),
        verification=VerificationFacts(
            method=verification.method,
            packets=list(verification.packets),
            duration_seconds=verification.seconds,
            frames_decoded=verification.frames_decoded,
        ),
        timings=work.timings,
        warnings=[*work.warnings, *pictures.warnings],
    )
