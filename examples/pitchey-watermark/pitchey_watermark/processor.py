"""The work: plan, stamp, check."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pitchey_core import InputError, JobContext, Plan, PlanningProcessor, PlanStep, ToolFailed
from pitchey_core.ffmpeg import MediaInfo, probe, run_ffmpeg
from pitchey_core.naming import portable_stem, stem_of
from pitchey_watermark.models import Position, WatermarkFacts, WatermarkPayload

__all__ = ["Watermark"]

_MARGIN_SHARE = 0.03
_X264_SPEED = "veryfast"
_TOLERANCE_SECONDS = 1.0
_MP4_AUDIO = {"aac", "mp3", "ac3"}
# As measured on two cores with a 720p film: play time encoded in a second.
_SPEED_AT_720P = 6.0


@dataclass(frozen=True, slots=True)
class _Picture:
    """The picture as it is shown: after rotation, in square pixels, even. Sizes in pixels."""

    width: int
    height: int


class Watermark(PlanningProcessor[WatermarkPayload, WatermarkFacts]):
    """Stamps a text or a picture onto every frame; the sound is copied where MP4 can hold it."""

    def process(self, payload: WatermarkPayload, job: JobContext) -> WatermarkFacts:
        """Stamp one video."""
        from pitchey_watermark.stamp import make_stamp

        source, info, picture = _look(payload, job)
        target = job.artifact(f"{portable_stem(stem_of(payload.input_url))}-stamped.mp4", "video/mp4")
        png = job.workdir / "stamp.png"
        width, height = make_stamp(
            png,
            text=payload.text,
            image=job.fetch(payload.image) if payload.image else None,
            width=max(2, round(picture.width * payload.size)),
            opacity=payload.opacity,
        )
        left, top = _place(payload.position, picture, width, height)
        sound = _sound(info)
        # Only numbers of our own making reach the filter; names of files are arguments of their own.
        graph = (
            f"[0:v:0]scale={picture.width}:{picture.height},setsar=1[picture];"
            f"[picture][1:v]overlay={left}:{top}:format=auto,format=yuv420p[out]"
        )
        stats = run_ffmpeg(
            job,
            [
                *("-hide_banner", "-nostdin", "-loglevel", "warning", "-y"),
                *("-protocol_whitelist", "file", "-f", info.demuxer, "-i", f"file:{source}"),
                *(
                    "-protocol_whitelist",
                    "file",
                    "-f",
                    "image2",
                    "-pattern_type",
                    "none",
                    "-i",
                    f"file:{png}",
                ),
                *("-filter_complex", graph, "-map", "[out]", "-map", "0:a?"),
                *("-c:v", "libx264", "-preset", _X264_SPEED, "-crf", "20", "-c:a", sound),
                *("-threads", str(job.threads), "-movflags", "+faststart", "-f", "mp4", f"file:{target}"),
            ],
            duration=info.duration_seconds,
            report=lambda fraction, figures: job.progress(fraction, "stamping", **figures),
        )
        _check(target, info, picture)
        job.progress(1.0, "done")
        return WatermarkFacts(
            width=picture.width,
            height=picture.height,
            duration_seconds=info.duration_seconds,
            stamp_width=width,
            stamp_height=height,
            left=left,
            top=top,
            frames=stats.frames,
            audio={"copy": "copied", "aac": "encoded"}[sound] if info.of_kind("audio") else "none",
        )

    def plan(self, payload: WatermarkPayload, job: JobContext) -> Plan:
        """What would be done, with a rough guess at the time."""
        _, info, picture = _look(payload, job)
        share = picture.width * picture.height / (1280 * 720)
        seconds = (info.duration_seconds or 0.0) * share / _SPEED_AT_720P
        return Plan(
            summary=f"stamp {payload.text or 'a picture'} {payload.position} onto {picture.width}x{picture.height}",
            steps=[
                PlanStep(
                    subject="video", action="encode", detail="H.264", reason="a stamp changes every picture"
                ),
                PlanStep(
                    subject="audio",
                    action=_sound(info) if info.of_kind("audio") else "none",
                    reason="a stamp does not change it" if info.of_kind("audio") else "there is none",
                ),
            ],
            wall_seconds=seconds,
            cpu_seconds=seconds * job.threads,
            output_bytes=info.bytes,
        )


def _look(payload: WatermarkPayload, job: JobContext) -> tuple[Path, MediaInfo, _Picture]:
    source = job.fetch(payload.input_url)
    info = probe(source, limits=job.limits)
    stream = info.main_video
    if stream is None or stream.video is None:
        raise InputError(f"{source.name!r} has no picture to stamp", remedy="give a video")
    width, height = stream.video.display_size
    return source, info, _Picture(max(2, width // 2 * 2), max(2, height // 2 * 2))


def _sound(info: MediaInfo) -> Literal["copy", "aac"]:
    """MP4 holds few audio codecs; the others are encoded."""
    return "copy" if {stream.codec for stream in info.of_kind("audio")} <= _MP4_AUDIO else "aac"


def _place(position: Position, picture: _Picture, width: int, height: int) -> tuple[int, int]:
    margin = round(min(picture.width, picture.height) * _MARGIN_SHARE)
    if position == "center":
        return (picture.width - width) // 2, (picture.height - height) // 2
    left = margin if position.endswith("left") else picture.width - width - margin
    top = margin if position.startswith("top") else picture.height - height - margin
    return max(0, left), max(0, top)


def _check(target: Path, info: MediaInfo, picture: _Picture) -> None:
    """ffmpeg's exit status 0 proves nothing; look at what it wrote."""
    made = probe(target)
    stream = made.main_video
    size = stream.video and (stream.video.width, stream.video.height) if stream else None
    if size != (picture.width, picture.height):
        raise ToolFailed(f"the stamped video has the wrong size: {size}", tool="ffmpeg")
    if info.duration_seconds and (made.duration_seconds or 0) < info.duration_seconds - _TOLERANCE_SECONDS:
        raise InputError(
            f"{info.path.name!r} ends early: its header claims {info.duration_seconds:.1f} s, "
            f"but {made.duration_seconds or 0:.1f} s could be stamped",
            remedy="copy or download it again",
        )
