"""Decide, per stream, what happens to it: copied, encoded (to what) or dropped, and why.

The rules, which hold for every plugin: what already fits is copied; a picture is never enlarged; what is encoded ends
upright, with square pixels, even sizes, 8-bit 4:2:0 and standard dynamic range, because everything plays that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pitchey_core.errors import InputError, UsageError
from pitchey_core.ffmpeg.filters import from_the_start, output_size, picture_changes, up_to, video_filters
from pitchey_core.ffmpeg.formats import codec_title, holders, mismatch
from pitchey_core.ffmpeg.media import MediaInfo, StreamInfo, VideoInfo, late_by
from pitchey_core.ffmpeg.options import cut_of
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
        InputError: What the output is made of is not there (picture or sound), or ``copy`` was asked for what the
            container cannot hold.
        UsageError: The part to keep lies outside the input.
    """
    shown = name or info.path.name
    if wanted.container.one_track and wanted.track is None and (sound := info.main_audio) is not None:
        wanted = replace(wanted, track=sound.index)
    warnings: list[str] = []
    steps: dict[int, Step] = {}
    reports: dict[int, StreamReport] = {}
    video = None
    if wanted.picture and wanted.container.picture:
        main = _picture_of(info, shown)
        _check_part(info, main, wanted, shown)
        video, reports[main.index] = _plan_video(main, info, wanted, can_tone_map, warnings, shown)
        steps[main.index] = video
    else:
        _check_part(info, None, wanted, shown)
    keeps_ass = False
    for stream in info.streams:
        if stream.index in reports or stream.kind == "attachment":
            continue
        step, report = plan_track(stream, info, wanted, shown)
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
    if video is None and not _of(kept, "audio"):
        raise InputError(
            f"{shown!r} holds no sound that could be kept",
            remedy="give a file with sound, or ask for an output with a picture",
        )
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


def _picture_of(info: MediaInfo, name: str) -> StreamInfo:
    main = info.main_video
    if main is None:
        sound = "only sound" if info.of_kind("audio") else "no moving picture"
        raise InputError(
            f"{name!r} holds {sound}; this output needs a picture",
            remedy="give a file with a picture; the media processor makes outputs of sound alone, too",
        )
    if main.video is None:
        raise _undecodable(main, name)
    return main


def _undecodable(stream: StreamInfo, name: str) -> InputError:
    return InputError(
        f"{name!r}: there is no decoder for its video codec {stream.codec!r}",
        remedy="convert it with the program that made it",
    )


def _check_part(info: MediaInfo, main: StreamInfo | None, wanted: Wanted, name: str) -> None:
    """A part without a single picture, or without anything, cannot be cut out."""
    ends = [info.duration_seconds]
    if main is not None and main.video is not None and main.duration_seconds is not None:
        late = max(0.0, (main.start_seconds or 0.0) - info.start_seconds)
        ends.append(late + main.duration_seconds - (0.5 / main.video.fps if main.video.fps else 0.0))
    end = min((each for each in ends if each is not None), default=None)
    if wanted.start and end is not None and wanted.start >= end:
        raise UsageError(
            f"start {wanted.start:g} s lies behind the end of {name!r} ({end:.2f} s)",
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
        raise _undecodable(stream, name)
    if video.hdr and not can_tone_map:
        warnings.append(
            "HDR was not tone-mapped: this ffmpeg has no zscale filter; colours stay HDR at 8 bit"
        )
    changes = picture_changes(video, can_tone_map)
    cap = _fps_cap(stream, wanted)
    late = late_by(info, stream, wanted.start)
    cut = cut_of(info, wanted.start, wanted.duration)
    filters = (
        *up_to(cut.end_of(late, wanted.duration), picture=True),
        *video_filters(video, size, max_fps=cap, can_tone_map=can_tone_map),
        *(from_the_start(late and late + cut.lead, picture=True) if wanted.from_start else ()),
    )
    to = f"{codec_title(codec)} {size[0]}x{size[1]}"
    return (
        Step(stream, "encode", codec, size=size, filters=filters, bit_rate=wanted.video_bitrate, max_fps=cap),
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
    if wanted.insist and (wanted.crf is not None or wanted.video_bitrate is not None):
        reasons.append("a quality or bit rate was asked for")
    if not box.variable_rate and info.demuxer != box.demuxer:
        reasons.append(f"{box.name} needs an even frame rate without B-frames")
    if wanted.from_start and late_by(info, stream, wanted.start):
        reasons.append("it starts late")
    if wanted.key_seconds is not None:
        reasons.append(f"a key frame every {wanted.key_seconds:g} s")
    if wanted.max_bitrate is not None and _rate(stream, info) > wanted.max_bitrate:
        reasons.append(f"more than {wanted.max_bitrate / 1e6:g} Mb/s")
    if (
        wanted.profile is not None
        and stream.codec == "h264"
        and not _plays_on(stream.profile, wanted.profile)
    ):
        reasons.append(f"profile {stream.profile or 'unknown'}, not {wanted.profile}")
    if wanted.force is not None and not reasons:
        reasons.append(wanted.force)
    return reasons


def _rate(stream: StreamInfo, info: MediaInfo) -> int:
    """Bits a second of a picture; where a file does not say, those of all of it."""
    return stream.bit_rate or info.bit_rate or 0


# From what every decoder plays to what only some do.
_PROFILES = ("baseline", "main", "high")


def _plays_on(profile: str | None, most: str) -> bool:
    name = (profile or "").lower().removeprefix("constrained ")
    return name in _PROFILES and _PROFILES.index(name) <= _PROFILES.index(most)


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
