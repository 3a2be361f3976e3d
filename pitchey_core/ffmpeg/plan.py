"""Decide, per stream, what happens to it: copied, encoded (to what) or dropped, and why.

The rules, which hold for every plugin: what already fits is copied; a picture is never enlarged; what is encoded ends
upright, with square pixels, even sizes, 8-bit 4:2:0 and standard dynamic range, because everything plays that.
"""

from __future__ import annotations

from collections.abc import Iterable

from pitchey_core.errors import InputError, UsageError
from pitchey_core.ffmpeg.filters import output_size, picture_changes, video_filters
from pitchey_core.ffmpeg.formats import codec_title, holders, mismatch
from pitchey_core.ffmpeg.media import MediaInfo, StreamInfo, VideoInfo
from pitchey_core.ffmpeg.plan_tracks import plan_attachment, plan_track
from pitchey_core.ffmpeg.steps import Action, Step, StreamPlan, StreamReport, Wanted

__all__ = ["Action", "Step", "StreamPlan", "StreamReport", "Wanted", "plan_streams"]

# Encoders of this project write these; yuvj420p differs from yuv420p in its range flag only.
_PLAIN_PIXELS = frozenset({"yuv420p", "yuvj420p"})


def plan_streams(
    info: MediaInfo, wanted: Wanted, *, can_tone_map: bool = True, name: str | None = None
) -> StreamPlan:
    """Decide what happens to each stream.

    Args:
        can_tone_map: Whether this ffmpeg has the filters for HDR to SDR.
        name: What to call the input in messages.

    Raises:
        InputError: There is no moving picture, or ``copy`` was asked for what the container cannot hold.
        UsageError: The part to keep lies outside the input.
    """
    shown = name or info.path.name
    main = info.main_video
    if main is None or main.video is None:
        sound = "only sound" if info.of_kind("audio") else "no moving picture"
        raise InputError(
            f"{shown!r} holds {sound}; this processor makes video",
            remedy="give a file with a picture, or convert sound with the media processor",
        )
    _check_part(info, wanted, shown)
    warnings: list[str] = []
    video, video_report = _plan_video(main, info, wanted, can_tone_map, warnings, shown)
    steps: dict[int, Step] = {main.index: video}
    reports: dict[int, StreamReport] = {main.index: video_report}
    keeps_ass = False
    for stream in info.streams:
        if stream.index in reports or stream.kind == "attachment":
            continue
        step, report = plan_track(stream, wanted, shown)
        reports[stream.index] = report
        if step is not None:
            steps[stream.index] = step
            keeps_ass = keeps_ass or step.codec in {"ass", "ssa"}
    for stream in info.of_kind("attachment"):
        step, report = plan_attachment(stream, wanted, keeps_ass)
        reports[stream.index] = report
        if step is not None:
            steps[stream.index] = step
    kept = list(steps.values())
    return StreamPlan(
        wanted=wanted,
        video=video,
        audio=_of(kept, "audio"),
        subtitles=_of(kept, "subtitle"),
        attachments=_of(kept, "attachment"),
        reports=tuple(reports[stream.index] for stream in info.streams),
        warnings=tuple(warnings),
    )


def _of(steps: Iterable[Step], kind: str) -> tuple[Step, ...]:
    return tuple(sorted((s for s in steps if s.source.kind == kind), key=lambda s: s.source.index))


def _check_part(info: MediaInfo, wanted: Wanted, name: str) -> None:
    if wanted.start and info.duration_seconds is not None and wanted.start >= info.duration_seconds:
        raise UsageError(
            f"start {wanted.start:g} s lies behind the end of {name!r} ({info.duration_seconds:.2f} s)",
            remedy="choose an earlier start",
        )


# -- picture --------------------------------------------------------------------------------------------------------


def _plan_video(
    stream: StreamInfo, info: MediaInfo, wanted: Wanted, can_tone_map: bool, warnings: list[str], name: str
) -> tuple[Step, StreamReport]:
    video = stream.video
    assert video is not None
    if wanted.codec == "copy":
        return _forced_copy(stream, wanted, warnings, name)
    codec = wanted.container.video if wanted.codec == "auto" else wanted.codec
    if codec not in wanted.container.holds_video:
        raise UsageError(
            f"{wanted.container.name} does not hold {codec_title(codec)}",
            remedy=f"{codec_title(codec)} fits into: " + ", ".join(holders(codec)),
        )
    size = output_size(video, wanted.box)
    reasons = _why_encode(stream, info, wanted, size)
    if not reasons:
        return (
            Step(stream, "copy", stream.codec),
            StreamReport.of(
                stream, "copy", f"{codec_title(stream.codec)} {video.width}x{video.height}", "fits as it is"
            ),
        )
    if not stream.decodable:
        raise InputError(
            f"{name!r}: there is no decoder for its video codec {stream.codec!r}",
            remedy="convert it with the program that made it",
        )
    if video.hdr and not can_tone_map:
        warnings.append(
            "HDR was not tone-mapped: this ffmpeg has no zscale filter; colours stay HDR at 8 bit"
        )
    changes = picture_changes(video, can_tone_map)
    filters = video_filters(video, size, max_fps=_fps_cap(stream, wanted), can_tone_map=can_tone_map)
    to = f"{codec_title(codec)} {size[0]}x{size[1]}"
    return (
        Step(stream, "encode", codec, size=size, filters=filters, bit_rate=wanted.video_bitrate),
        StreamReport.of(stream, "encode", ", ".join([to, *changes]), "; ".join(reasons)),
    )


def _forced_copy(
    stream: StreamInfo, wanted: Wanted, warnings: list[str], name: str
) -> tuple[Step, StreamReport]:
    if stream.codec not in wanted.container.holds_video:
        raise InputError(
            f"{name!r}: {codec_title(stream.codec)} video cannot be copied into {wanted.container.name}",
            remedy="leave codec at auto, or use: " + (", ".join(holders(stream.codec)) or "mkv"),
        )
    if wanted.start:
        warnings.append("with codec=copy the cut starts at the key frame before the start asked for")
    if wanted.max_fps is not None:
        warnings.append("max_fps has no effect with codec=copy")
    return Step(stream, "copy", stream.codec), StreamReport.of(
        stream, "copy", codec_title(stream.codec), "codec=copy"
    )


def _fps_cap(stream: StreamInfo, wanted: Wanted) -> float | None:
    video = stream.video
    if wanted.max_fps is None or video is None:
        return None
    # A variable rate may exceed its average for a while.
    highest = max(video.fps or 0.0, (video.base_fps or 0.0) if video.variable_rate else 0.0)
    return wanted.max_fps if not highest or highest > wanted.max_fps + 0.01 else None


def _why_encode(stream: StreamInfo, info: MediaInfo, wanted: Wanted, size: tuple[int, int]) -> list[str]:
    """Reasons against copying; none means that the stream fits."""
    video, box = stream.video, wanted.container
    assert video is not None
    accepted = box.keeps_video if wanted.codec == "auto" else {wanted.codec}
    reasons = []
    if stream.codec not in accepted:
        reasons.append(mismatch(stream.codec, box, box.holds_video))
    reasons += _why_redraw(video, size)
    if _fps_cap(stream, wanted) is not None:
        reasons.append(f"more than {wanted.max_fps:g} frames a second")
    if wanted.trimmed:
        reasons.append("a part is cut out to the frame")
    if wanted.crf is not None or wanted.video_bitrate is not None:
        reasons.append("a quality or bit rate was asked for")
    if not box.variable_rate and info.demuxer != box.demuxer:
        reasons.append(f"{box.name} needs an even frame rate without B-frames")
    if wanted.force and not reasons:
        reasons.append("copying it failed")
    return reasons


def _why_redraw(video: VideoInfo, size: tuple[int, int]) -> list[str]:
    """What is wrong with the pictures themselves."""
    reasons = []
    if size != video.display_size:
        shown = "x".join(map(str, video.display_size))
        reasons.append(f"{shown} becomes {size[0]}x{size[1]}")
    if not video.upright:
        reasons.append("it is stored turned" if video.rotation else "it is stored mirrored")
    if not video.square:
        reasons.append(f"its pixels are not square ({video.sample_aspect[0]}:{video.sample_aspect[1]})")
    if video.hdr:
        reasons.append(f"it is HDR ({video.hdr.upper()})")
    elif video.pixel_format is not None and video.pixel_format not in _PLAIN_PIXELS:
        reasons.append(f"pixel format {video.pixel_format}")
    if video.interlaced:
        reasons.append("it is interlaced")
    return reasons
