"""Look into a media file with PyAV, in process: the one place where inputs are opened to be described."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

import av
from av.container import InputContainer

from pitchey_core.errors import InputError, LimitExceeded
from pitchey_core.ffmpeg.media import AudioInfo, Kind, MediaInfo, StreamInfo, VideoInfo
from pitchey_core.ffmpeg.naming import file_argument
from pitchey_core.ffmpeg.sniffing import Sniffed, sniff
from pitchey_core.resources import Limits

__all__ = ["open_media", "probe"]

# AVColorTransferCharacteristic of ITU-T H.273.
_TRANSFERS: Final[dict[int, Literal["pq", "hlg"]]] = {16: "pq", 18: "hlg"}
_INTERLACED_ORDERS = range(2, 6)
_FIRST_FRAME_PACKETS = 300
_KINDS: Final[dict[str, Kind]] = {
    "video": "video",
    "audio": "audio",
    "subtitle": "subtitle",
    "attachment": "attachment",
}


def open_media(path: Path, demuxer: str, *, pixels: int | None = None, **options: str) -> InputContainer:
    """Open a file with one demuxer only; nothing that it names is opened.

    Args:
        demuxer: From :func:`~pitchey_core.ffmpeg.sniffing.sniff`.
        pixels: Pictures with more pixels are not decoded.
        options: Further libavformat options.

    Raises:
        av.FFmpegError: It cannot be opened.
    """
    settings = {"protocol_whitelist": "file", **options}
    if demuxer == "mov":
        settings["enable_drefs"] = "0"
    if pixels is not None:
        settings["max_pixels"] = str(pixels)
    return av.open(file_argument(path), "r", format=demuxer, options=settings, metadata_errors="replace")


def probe(path: Path, *, limits: Limits | None = None, name: str | None = None) -> MediaInfo:
    """Describe a media file.

    The first picture is decoded too, for what only a decoder sees: rotation, interlacing, whether it works at all.

    Args:
        path: The file.
        limits: Pictures and play times beyond these are refused.
        name: What to call it in messages; default: its file name.

    Raises:
        InputError: It is not a media file, damaged, cut off, or holds neither picture nor sound.
        LimitExceeded: ``limit`` is ``pixels`` or ``duration``.
    """
    limits = limits or Limits()
    shown = name or path.name
    kind = sniff(path)
    try:
        with open_media(path, kind.demuxer, pixels=limits.pixels) as media:
            info = _describe(media, path, kind.demuxer, limits, shown)
    except av.FFmpegError as error:
        raise _unreadable(shown, kind, error) from error
    if not info.pictures and not info.of_kind("audio"):
        raise InputError(
            f"{shown!r} is a {kind.title} file without picture or sound",
            remedy="check that the recording or the download was complete",
        )
    if info.duration_seconds is not None and info.duration_seconds > limits.duration_seconds:
        raise LimitExceeded(
            f"{shown!r} plays {info.duration_seconds:.0f} s; the limit is {limits.duration_seconds:.0f} s",
            limit="duration",
            remedy="raise the limit, or process it in parts with start and duration",
        )
    return info


def _unreadable(name: str, kind: Sniffed, error: av.FFmpegError) -> InputError:
    if kind.demuxer == "mov":
        message = (
            f"{name!r} starts like {kind.title} but has no usable index (moov): it is cut off or damaged"
        )
        remedy = "copy or download it again; a recording that was cut off needs a repair tool such as untrunc"
    else:
        message = f"{name!r} starts like {kind.title} but cannot be read: {error.strerror or error}"
        remedy = "it is cut off or damaged: copy or download it again"
    return InputError(message, remedy=remedy)


def _describe(media: InputContainer, path: Path, demuxer: str, limits: Limits, name: str) -> MediaInfo:
    pictures = [s for s in media.streams.video if not _is_attached(s)]
    for stream in pictures:
        if _area(stream) > limits.pixels:
            raise LimitExceeded(
                f"{name!r} has {stream.codec_context.width}x{stream.codec_context.height} pixels; "
                f"the limit is {limits.pixels}",
                limit="pixels",
                remedy="raise the limit, or give a smaller picture",
            )
    main = max(pictures, key=lambda s: (bool(s.disposition & _DEFAULT), _area(s)), default=None)
    first = _first_frame(media, main, name) if main is not None else None
    streams = tuple(_stream(s, first if s is main else None) for s in media.streams)
    return MediaInfo(
        path=path,
        demuxer=demuxer,
        bytes=path.stat().st_size,
        duration_seconds=media.duration / av.time_base if media.duration and media.duration > 0 else None,
        start_seconds=(media.start_time or 0) / av.time_base,
        bit_rate=media.bit_rate or None,
        chapters=len(media.chapters()),
        streams=streams,
        metadata=dict(media.metadata),
    )


_DEFAULT = av.stream.Disposition.default
_ATTACHED = av.stream.Disposition.attached_pic


def _is_attached(stream: Any) -> bool:
    return bool(stream.disposition & _ATTACHED)


def _area(stream: Any) -> int:
    """Pixels of a picture; 0 where there is no decoder that could tell."""
    context = stream.codec_context
    return 0 if context is None else int(context.width * context.height)


def _first_frame(media: InputContainer, stream: Any, name: str) -> Any:
    """The first picture that decodes.

    Raises:
        InputError: There is none among the first packets.
    """
    if stream.codec_context is None or not stream.codec_context.codec.is_decoder:
        return None
    for seen, packet in enumerate(media.demux(stream)):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            frames = []
        if frames:
            return frames[0]
        if seen >= _FIRST_FRAME_PACKETS:
            break
    raise InputError(
        f"{name!r}: not one picture of its {stream.codec_context.codec.canonical_name} stream can be decoded",
        remedy="it is damaged or encrypted: copy or download it again",
    )


def _stream(stream: Any, first: Any) -> StreamInfo:
    context = stream.codec_context
    codec = context.codec.canonical_name if context is not None else _bare_codec(stream)
    metadata = stream.metadata
    kind = _KINDS.get(stream.type, "data")
    return StreamInfo(
        index=stream.index,
        kind=kind,
        codec=codec or "unknown",
        profile=stream.profile,
        decodable=context is not None,
        language=stream.language,
        title=metadata.get("title"),
        default=bool(stream.disposition & _DEFAULT),
        forced=bool(stream.disposition & av.stream.Disposition.forced),
        attached_picture=kind == "video" and _is_attached(stream),
        start_seconds=_seconds(stream.start_time, stream.time_base),
        duration_seconds=_stream_duration(stream),
        bit_rate=getattr(context, "bit_rate", None) or None,
        video=_video(stream, first) if kind == "video" and context is not None else None,
        audio=_audio(stream) if kind == "audio" and context is not None else None,
    )


def _bare_codec(stream: Any) -> str | None:
    """What to call a stream without a decoder: the media type of an attachment, the codec of data."""
    name = getattr(stream, "mimetype" if stream.type == "attachment" else "name", None)
    return str(name) if name else None


def _seconds(ticks: int | None, base: Fraction | None) -> float | None:
    return None if ticks is None or base is None else float(ticks * base)


def _stream_duration(stream: Any) -> float | None:
    known = _seconds(stream.duration, stream.time_base)
    if known is not None and known > 0:
        return known
    # Matroska keeps the end of each stream as a tag such as 00:01:02.345000000.
    for key, value in stream.metadata.items():
        if key.upper().startswith("DURATION"):
            try:
                hours, minutes, seconds = value.split(":")
                end = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            except ValueError:
                return None
            return max(0.0, end - max(0.0, _seconds(stream.start_time, stream.time_base) or 0.0))
    return None


def _audio(stream: Any) -> AudioInfo:
    context = stream.codec_context
    return AudioInfo(context.channels, context.sample_rate, context.layout.name if context.layout else None)


def _video(stream: Any, first: Any) -> VideoInfo:
    context = stream.codec_context
    aspect = stream.sample_aspect_ratio or Fraction(1)
    rotation, mirrored = _orientation(first)
    flagged = first is not None and bool(first.interlaced_frame)
    shape = (first.format if first is not None else None) or context.format
    parts = shape.components if shape is not None else ()
    transfer = int(context.color_trc) if first is None else int(first.color_trc)
    return VideoInfo(
        width=context.width,
        height=context.height,
        pixel_format=shape.name if shape is not None else None,
        sample_aspect=(aspect.numerator, aspect.denominator) if aspect > 0 else (1, 1),
        rotation=rotation,
        mirrored=mirrored,
        fps=_rate(stream.average_rate) or _rate(stream.guessed_rate),
        base_fps=_rate(stream.base_rate),
        frames=stream.frames or None,
        interlaced=flagged or int(context.field_order) in _INTERLACED_ORDERS,
        interlaced_frames=flagged,
        hdr=_TRANSFERS.get(transfer) or _TRANSFERS.get(int(context.color_trc)),
        has_alpha=any(part.is_alpha for part in parts) or stream.metadata.get("alpha_mode") == "1",
        rgb=shape is not None and (shape.is_rgb or shape.has_palette),
        bit_depth=max((part.bits for part in parts), default=8),
    )


def _rate(rate: Fraction | None) -> float | None:
    return float(rate) if rate else None


def _orientation(frame: Any) -> tuple[int, bool]:
    """Rotation in degrees counter-clockwise, and whether the picture is mirrored, from the display matrix."""
    if frame is None:
        return 0, False
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
            mirrored = a * d - b * c < 0
            if abs(a) + abs(d) >= abs(b) + abs(c):
                return (180 if (a < 0 and not mirrored) else 0), mirrored
            return (90 if b < 0 else 270), mirrored
    return 0, False
