"""The ``video`` processor: probe, plan, encode, verify, take pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_core.errors import PitcheyError
from pitchey_core.ffmpeg.facts import EncoderFacts, FileSummary, VerificationFacts
from pitchey_core.ffmpeg.forecast import estimate
from pitchey_core.ffmpeg.graph import Tap, sheet_tap
from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.pictures import Pictures, take_pictures
from pitchey_core.ffmpeg.probing import probe
from pitchey_core.ffmpeg.sprite import SpriteLayout, sprite_layout
from pitchey_core.ffmpeg.steps import StreamPlan
from pitchey_core.ffmpeg.transcode import Rendered, Renders, Rendition, Transcoder
from pitchey_core.ffmpeg.verify import Expected
from pitchey_core.naming import shown_name
from pitchey_core.processor import Plan, PlanningProcessor, PlanStep
from pitchey_video.facts import VideoFacts
from pitchey_video.names import Outputs
from pitchey_video.payload import VideoPayload

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["VideoProcessor"]

# Shares of the progress bar: by far most of the time goes into the encode.
_ENCODE_FROM, _VERIFY_FROM, _PICTURES_FROM = 0.02, 0.93, 0.96


@dataclass(slots=True)
class _Sheet:
    """The sprite sheet as a branch of the encode, where there is one and the play time is known."""

    info: MediaInfo
    path: Path
    wanted: bool
    layout: SpriteLayout | None = field(default=None)

    def taps(self, plans: Sequence[StreamPlan]) -> list[Tap]:
        plan = next(iter(plans), None)
        if not self.wanted or plan is None or plan.video is None or plan.video.size is None:
            return []
        expected = Expected.of(self.info, plan)
        if not expected.seconds:
            return []
        layout = self.layout = sprite_layout(expected.video_seconds or expected.seconds, plan.video.size)
        tile = (layout.width, layout.height)
        return [
            sheet_tap(
                self.path,
                plan.video,
                interval=layout.interval,
                tile=tile,
                columns=layout.columns,
                rows=layout.rows,
            )
        ]

    def drawn(self, renders: Renders) -> tuple[SpriteLayout, Path] | None:
        """The sheet, if the encode has drawn it."""
        missing = any(error is not None for error in renders.taps.values())
        return None if self.layout is None or missing else (self.layout, self.path)


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
        work = Transcoder(job, info, name, payload.start, payload.duration)
        work.timings["probe"] = round(time.monotonic() - probing, 4)
        sheet = _Sheet(info, job.workdir / "sheet.png", payload.sprite)
        rendition = Rendition(
            outputs.name, payload.wanted(), outputs.video, payload.hardware, payload.full_verify
        )
        renders = work.render([rendition], progress=_encoding(job), taps=sheet.taps)
        done = renders.outputs[rendition.name]
        if isinstance(done, PitcheyError):
            raise done
        job.progress(_PICTURES_FROM, "taking pictures")
        with work.timed("pictures"):
            output = probe(outputs.video, limits=job.limits)
            pictures = take_pictures(outputs.pictures, job, output, sheet.drawn(renders))
        job.progress(1.0, "done")
        work.timings["total"] = round(time.monotonic() - started, 4)
        return _facts(work, payload, done, output, pictures)

    def plan(self, payload: VideoPayload, job: JobContext) -> Plan:
        """What would happen to each stream, with time and size predicted from two seconds of the input."""
        name = shown_name(payload.input_url)
        info = probe(job.fetch(payload.input_url), limits=job.limits, name=name)
        work = Transcoder(job, info, name)
        plan = work.plan(payload.wanted())
        assert plan.video is not None
        expected = estimate(job, info, [(plan, work.encoder(plan, payload.hardware))])
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


def _encoding(job: JobContext) -> Callable[[float | None, dict[str, float]], None]:
    """A reporter that maps 0…1 onto the encode's part of the job's progress."""

    def report(fraction: float | None, figures: dict[str, float]) -> None:
        place = None if fraction is None else _ENCODE_FROM + (_VERIFY_FROM - _ENCODE_FROM) * fraction
        job.progress(place, "encoding", **figures)

    return report


def _facts(
    work: Transcoder, payload: VideoPayload, done: Rendered, output: MediaInfo, pictures: Pictures
) -> VideoFacts:
    return VideoFacts(
        input=FileSummary.of(work.info),
        output_name=done.rendition.name,
        output=FileSummary.of(output, format_name=payload.output_format),
        streams=list(done.plan.reports),
        encoder=EncoderFacts.of(done),
        thumbnails=pictures.thumbnails,
        poster=pictures.poster,
        sprite=pictures.sprite,
        loudness=list(work.loudness.values()),
        verification=VerificationFacts.of(done),
        timings=work.timings,
        warnings=[*done.warnings, *pictures.warnings],
    )
