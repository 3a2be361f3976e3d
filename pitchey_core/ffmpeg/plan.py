"""Decide, per stream, what happens to it: copied, encoded (to what) or dropped, and why.

The rules, which hold for every plugin: what already fits is copied; a picture is never enlarged; what is encoded ends
upright, with square pixels, even sizes, 8-bit 4:2:0 and standard dynamic range, because everything plays that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from pitchey_core.errors import InputError, UsageError
from pitchey_core.ffmpeg.filters import Filter, audio_filters, output_size, picture_changes, video_filters
from pitchey_core.ffmpeg.formats import (
    AUDIO_ENCODERS,
    BITMAP_SUBTITLES,
    CODEC_NAMES,
    CONTAINERS,
    TEXT_SUBTITLES,
    AudioEncoder,
    Container,
    Speed,
    VideoCodec,
    audio_bit_rate,
)
from pitchey_core.ffmpeg.media import MediaInfo, StreamInfo

__all__ = ["Action", "Step", "StreamPlan", "StreamReport", "Wanted", "plan_streams"]

Action = Literal["copy", "encode", "drop"]

# Encoders of this project write these; yuvj420p differs from yuv420p in its range flag only.
_PLAIN_PIXELS = frozenset({"yuv420p", "yuvj420p"})
_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the output should be.

    Attributes:
        box: Width and height that a landscape picture must fit into (turned for a portrait one); ``None``: any.
        codec: ``auto`` is the container's own choice; ``copy`` never encodes.
        crf: Constant quality on the encoder's own scale.
        video_bitrate, audio_bitrate: Bits a second.
        audio_codec: ``auto``, ``copy``, ``none`` or a key of
            :data:`~pitchey_core.ffmpeg.formats.AUDIO_ENCODERS`.
        start, duration: The part to keep, in seconds.
        max_fps: Frames a second at most.
        loudness: Integrated loudness to normalise to, in LUFS.
        force: Encode also what could be copied.
    """

    container: Container
    box: tuple[int, int] | None = None
    codec: VideoCodec = "auto"
    crf: int | None = None
    video_bitrate: int | None = None
    speed: Speed = "medium"
    audio_codec: str = "auto"
    audio_bitrate: int | None = None
    start: float | None = None
    duration: float | None = None
    max_fps: float | None = None
    loudness: float | None = None
    force: bool = False

    @property
    def trimmed(self) -> bool:
        return bool(self.start) or self.duration is not None

    def forced(self) -> Wanted:
        """The same, with everything encoded that was going to be copied by choice of the planner."""
        return replace(self, force=True)


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What becomes of one stream of the input, as it appears in the facts of a job.

    Attributes:
        index: Its position in the input.
        codec: What it is.
        action: ``copy``, ``encode`` or ``drop``.
        to: What it becomes, in words: ``H.264 1280x720``; empty if dropped.
        reason: Why.
    """

    index: int
    kind: str
    codec: str
    action: Action
    to: str = ""
    reason: str = ""
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A stream that is kept, with all that is needed to build its part of the command line.

    Attributes:
        codec: What it will be; the same as the source's when copied.
        size: Width and height of an encoded picture.
        filters: What an encoded stream goes through.
    """

    source: StreamInfo
    action: Literal["copy", "encode"]
    codec: str
    size: tuple[int, int] | None = None
    filters: tuple[Filter, ...] = ()
    audio: AudioEncoder | None = None
    bit_rate: int | None = None


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """The plan for one output.

    Attributes:
        reports: One for each stream of the input, in its order.
        warnings: What the user should know although nothing failed.
    """

    wanted: Wanted
    video: Step
    audio: tuple[Step, ...]
    subtitles: tuple[Step, ...]
    attachments: tuple[Step, ...]
    reports: tuple[StreamReport, ...]
    warnings: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is kept, in the order of the output's streams."""
        return (self.video, *self.audio, *self.subtitles, *self.attachments)

    @property
    def encodes(self) -> bool:
        """Whether any picture or sound is encoded."""
        return any(step.action == "encode" for step in (self.video, *self.audio))

    @property
    def copies_by_choice(self) -> bool:
        """Whether something is copied that could be encoded instead, should copying fail."""
        asked = self.wanted
        return (self.video.action == "copy" and asked.codec != "copy") or (
            asked.audio_codec != "copy" and any(step.action == "copy" for step in self.audio)
        )


def plan_streams(info: MediaInfo, wanted: Wanted, *, can_tone_map: bool = True, name: str | None = None) -> StreamPlan:
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
        step, report = _plan_other(stream, wanted, shown)
        reports[stream.index] = report
        if step is not None:
            steps[stream.index] = step
            keeps_ass = keeps_ass or step.codec in {"ass", "ssa"}
    for stream in info.of_kind("attachment"):
        step, report = _plan_attachment(stream, wanted, keeps_ass)
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


def _title(codec: str) -> str:
    return CODEC_NAMES.get(codec, codec)


def _report(stream: StreamInfo, action: Action, to: str = "", reason: str = "") -> StreamReport:
    return StreamReport(stream.index, stream.kind, stream.codec, action, to, reason, stream.language)


# -- picture --------------------------------------------------------------------------------------------------------


def _plan_video(
    stream: StreamInfo, info: MediaInfo, wanted: Wanted, can_tone_map: bool, warnings: list[str], name: str
) -> tuple[Step, StreamReport]:
    video = stream.video
    assert video is not None  # noqa: S101 - the caller chose a stream with a picture
    if wanted.codec == "copy":
        return _forced_copy(stream, wanted, warnings, name)
    codec = wanted.container.video if wanted.codec == "auto" else wanted.codec
    if codec not in wanted.container.holds_video:
        raise UsageError(
            f"{wanted.container.name} does not hold {_title(codec)}",
            remedy=f"{_title(codec)} fits into: " + ", ".join(_holders(codec)),
        )
    size = output_size(video, wanted.box)
    reasons = _why_encode(stream, info, wanted, codec, size)
    if not reasons:
        return (
            Step(stream, "copy", stream.codec),
            _report(stream, "copy", f"{_title(stream.codec)} {video.width}x{video.height}", "fits as it is"),
        )
    if not stream.decodable:
        raise InputError(
            f"{name!r}: there is no decoder for its video codec {stream.codec!r}",
            remedy="convert it with the program that made it",
        )
    if video.hdr and not can_tone_map:
        warnings.append("HDR was not tone-mapped: this ffmpeg has no zscale filter; colours stay HDR at 8 bit")
    changes = picture_changes(video, size, can_tone_map)
    filters = video_filters(video, size, max_fps=_fps_cap(stream, wanted), can_tone_map=can_tone_map)
    to = f"{_title(codec)} {size[0]}x{size[1]}"
    return (
        Step(stream, "encode", codec, size=size, filters=filters, bit_rate=wanted.video_bitrate),
        _report(stream, "encode", ", ".join([to, *changes]), "; ".join(reasons)),
    )


def _holders(codec: str) -> list[str]:
    return [each.name for each in CONTAINERS.values() if codec in each.holds_video | each.holds_audio]


def _forced_copy(
    stream: StreamInfo, wanted: Wanted, warnings: list[str], name: str
) -> tuple[Step, StreamReport]:
    if stream.codec not in wanted.container.holds_video:
        raise InputError(
            f"{name!r}: {_title(stream.codec)} video cannot be copied into {wanted.container.name}",
            remedy="leave codec at auto, or use: " + (", ".join(_holders(stream.codec)) or "mkv"),
        )
    if wanted.start:
        warnings.append("with codec=copy the cut starts at the key frame before the start asked for")
    if wanted.max_fps is not None:
        warnings.append("max_fps has no effect with codec=copy")
    return Step(stream, "copy", stream.codec), _report(stream, "copy", _title(stream.codec), "codec=copy")


def _fps_cap(stream: StreamInfo, wanted: Wanted) -> float | None:
    video = stream.video
    if wanted.max_fps is None or video is None:
        return None
    # A variable rate may exceed its average for a while.
    highest = max(video.fps or 0.0, (video.base_fps or 0.0) if video.variable_rate else 0.0)
    return wanted.max_fps if not highest or highest > wanted.max_fps + 0.01 else None


def _why_encode(
    stream: StreamInfo, info: MediaInfo, wanted: Wanted, codec: str, size: tuple[int, int]
) -> list[str]:
    """Reasons against copying; none means that the stream fits."""
    video = stream.video
    assert video is not None  # noqa: S101
    accepted = wanted.container.keeps_video if wanted.codec == "auto" else {wanted.codec}
    reasons = []
    if stream.codec not in accepted:
        reasons.append(f"{_title(stream.codec)} in {wanted.container.name} is not what was asked for"
                       if stream.codec in wanted.container.holds_video
                       else f"{wanted.container.name} does not hold {_title(stream.codec)}")  # fmt: skip
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
    if _fps_cap(stream, wanted) is not None:
        reasons.append(f"more than {wanted.max_fps:g} frames a second")
    if wanted.trimmed:
        reasons.append("a part is cut out to the frame")
    if wanted.crf is not None or wanted.video_bitrate is not None:
        reasons.append("a quality or bit rate was asked for")
    if not wanted.container.variable_rate and info.demuxer != wanted.container.demuxer:
        reasons.append(f"{wanted.container.name} needs an even frame rate without B-frames")
    if wanted.force and not reasons:
        reasons.append("copying it failed")
    return reasons


# -- everything else ------------------------------------------------------------------------------------------------


def _plan_other(stream: StreamInfo, wanted: Wanted, name: str) -> tuple[Step | None, StreamReport]:
    match stream.kind:
        case "audio":
            return _plan_audio(stream, wanted, name)
        case "subtitle":
            return _plan_subtitle(stream, wanted)
        case "video" if stream.attached_picture:
            return None, _report(stream, "drop", reason="a still picture such as cover art")
        case "video":
            return None, _report(stream, "drop", reason="one picture stream per output; another one is the main one")
    return None, _report(stream, "drop", reason="data that players ignore (time code, telemetry, chapters' titles)")


def _plan_audio(stream: StreamInfo, wanted: Wanted, name: str) -> tuple[Step | None, StreamReport]:
    box, sound = wanted.container, stream.audio
    if wanted.audio_codec == "none":
        return None, _report(stream, "drop", reason="audio_codec=none")
    if wanted.audio_codec == "copy":
        if stream.codec not in box.holds_audio:
            raise InputError(
                f"{name!r}: {_title(stream.codec)} sound cannot be copied into {box.name}",
                remedy="leave audio_codec at auto, or use: " + (", ".join(_holders(stream.codec)) or "mkv"),
            )
        return Step(stream, "copy", stream.codec), _report(stream, "copy", _title(stream.codec), "audio_codec=copy")
    if sound is None or not stream.decodable or sound.channels == 0:
        return None, _report(stream, "drop", reason="there is no decoder for it")
    codec = box.audio if wanted.audio_codec == "auto" else wanted.audio_codec
    if codec not in box.holds_audio:
        raise UsageError(
            f"{box.name} does not hold {_title(codec)} sound",
            remedy=f"{_title(codec)} fits into: " + ", ".join(_holders(codec)),
        )
    reasons = _why_encode_audio(stream, wanted)
    if not reasons:
        return Step(stream, "copy", stream.codec), _report(stream, "copy", _title(stream.codec), "fits as it is")
    encoder = AUDIO_ENCODERS[codec]
    channels = min(sound.channels, encoder.max_channels)
    rate = wanted.audio_bitrate or audio_bit_rate(encoder, channels)
    shown = [_title(codec), _LAYOUTS.get(channels, f"{channels} channels")]
    if rate is not None and not encoder.lossless:
        shown.append(f"{rate // 1000} kb/s")
    if channels < sound.channels:
        shown.append(f"mixed down from {sound.channels} channels")
    filters = audio_filters(sound, encoder, _LAYOUTS.get(channels))
    step = Step(stream, "encode", codec, filters=filters, audio=encoder, bit_rate=rate)
    return step, _report(stream, "encode", ", ".join(shown), "; ".join(reasons))


def _why_encode_audio(stream: StreamInfo, wanted: Wanted) -> list[str]:
    box = wanted.container
    accepted = box.keeps_audio if wanted.audio_codec == "auto" else {wanted.audio_codec}
    reasons = []
    if stream.codec not in accepted:
        reasons.append(f"{_title(stream.codec)} in {box.name} is not what was asked for"
                       if stream.codec in box.holds_audio
                       else f"{box.name} does not hold {_title(stream.codec)}")  # fmt: skip
    if wanted.loudness is not None:
        reasons.append(f"normalised to {wanted.loudness:g} LUFS")
    if wanted.trimmed and wanted.codec != "copy":
        reasons.append("a part is cut out")
    if wanted.audio_bitrate is not None:
        reasons.append("a bit rate was asked for")
    if wanted.force and not reasons:
        reasons.append("copying it failed")
    return reasons


def _plan_subtitle(stream: StreamInfo, wanted: Wanted) -> tuple[Step | None, StreamReport]:
    box = wanted.container
    if stream.codec in box.copies_subtitles:
        return Step(stream, "copy", stream.codec), _report(stream, "copy", stream.codec, "fits as it is")
    if stream.codec in BITMAP_SUBTITLES:
        where = "; mkv keeps them" if box.name != "mkv" else ""
        return None, _report(stream, "drop", reason=f"{box.name} holds no picture subtitles{where}")
    if box.subtitle is None:
        return None, _report(stream, "drop", reason=f"{box.name} holds no subtitles")
    if stream.codec not in TEXT_SUBTITLES or not stream.decodable:
        return None, _report(stream, "drop", reason=f"{stream.codec} cannot be converted to text subtitles")
    lost = "; styling is lost" if stream.codec in {"ass", "ssa"} else ""
    return (
        Step(stream, "encode", box.subtitle),
        _report(stream, "encode", box.subtitle, f"{box.name} does not hold {stream.codec}{lost}"),
    )


def _plan_attachment(stream: StreamInfo, wanted: Wanted, keeps_ass: bool) -> tuple[Step | None, StreamReport]:
    if wanted.container.attachments and keeps_ass:
        return Step(stream, "copy", stream.codec), _report(stream, "copy", "attachment", "fonts of the subtitles")
    reason = "nothing needs it" if wanted.container.attachments else f"{wanted.container.name} holds no attachments"
    return None, _report(stream, "drop", reason=reason)
