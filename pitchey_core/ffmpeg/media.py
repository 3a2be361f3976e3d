"""What a media file holds, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["AudioInfo", "MediaInfo", "StreamInfo", "VideoInfo", "late_by"]

Kind = Literal["video", "audio", "subtitle", "attachment", "data"]

# Pitchey calls a stream's rate variable when the rate that fits all its timestamps is this much above the average.
_VARIABLE_RATIO = 1.02
_SQUARE_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """A picture stream.

    Attributes:
        width, height: Pixels as stored, before rotation and sample aspect.
        sample_aspect: Width and height of one pixel, as a ratio.
        rotation: Degrees counter-clockwise that a player turns the picture: 0, 90, 180 or 270.
        mirrored: The display matrix flips the picture.
        fps: Average frames a second; ``None`` if unknown.
        base_fps: The lowest rate that fits every timestamp.
        frames: Number of frames that the header claims; ``None`` if it does not say.
        interlaced: Flagged as interlaced by the container or the first frame.
        interlaced_frames: The first decoded frame carries the flag itself.
        hdr: ``"pq"`` (HDR10) or ``"hlg"``; ``None`` for standard dynamic range.
        has_alpha: It carries transparency.
        rgb: Stored as red, green and blue, or as palette indices.
    """

    width: int
    height: int
    pixel_format: str | None = None
    sample_aspect: tuple[int, int] = (1, 1)
    rotation: int = 0
    mirrored: bool = False
    fps: float | None = None
    base_fps: float | None = None
    frames: int | None = None
    interlaced: bool = False
    interlaced_frames: bool = False
    hdr: Literal["pq", "hlg"] | None = None
    has_alpha: bool = False
    rgb: bool = False
    bit_depth: int = 8

    @property
    def upright(self) -> bool:
        """Shown as stored: neither rotated nor mirrored."""
        return self.rotation == 0 and not self.mirrored

    @property
    def full_range(self) -> bool:
        """Stored with the range of JPEG, 0 to 255, instead of that of video."""
        return (self.pixel_format or "").startswith("yuvj")

    @property
    def square(self) -> bool:
        """Pixels as wide as high, to half a percent: scalers leave aspects such as 2896:2889 behind."""
        width, height = self.sample_aspect
        return abs(width - height) <= _SQUARE_SHARE * height

    @property
    def display_size(self) -> tuple[int, int]:
        """Width and height as a viewer sees them: square pixels, upright. The stored height is kept."""
        num, den = (1, 1) if self.square else self.sample_aspect
        width, height = max(1, round(self.width * num / den)), self.height
        return (height, width) if self.rotation in {90, 270} else (width, height)

    @property
    def variable_rate(self) -> bool:
        return bool(self.fps and self.base_fps and self.base_fps > self.fps * _VARIABLE_RATIO)


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """A sound stream. ``sample_rate`` is in Hz."""

    channels: int
    sample_rate: int
    layout: str | None = None


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream of a media file.

    Attributes:
        index: Position in the file, from 0.
        codec: Name of the codec (not of a decoder): ``h264``, ``aac``, ``mov_text``; ``unknown`` if it has none.
        decodable: A decoder for it is at hand.
        attached_picture: A still image such as cover art.
        start_seconds: Time of its first sample.
        duration_seconds: As its own header claims; ``None`` if that says nothing.
        bit_rate: Bits a second.
    """

    index: int
    kind: Kind
    codec: str
    profile: str | None = None
    decodable: bool = True
    language: str | None = None
    title: str | None = None
    default: bool = False
    forced: bool = False
    attached_picture: bool = False
    start_seconds: float | None = None
    duration_seconds: float | None = None
    bit_rate: int | None = None
    video: VideoInfo | None = None
    audio: AudioInfo | None = None


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """A media file.

    Attributes:
        demuxer: Name of the demuxer that reads it, from the allow-list of :mod:`~pitchey_core.ffmpeg.sniffing`.
        bytes: Size of the file.
        duration_seconds: Play time as the header claims or as estimated; ``None`` if unknown.
        chapters: How many there are.
    """

    path: Path
    demuxer: str
    bytes: int
    duration_seconds: float | None
    start_seconds: float = 0.0
    bit_rate: int | None = None
    chapters: int = 0
    streams: tuple[StreamInfo, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)

    def of_kind(self, kind: Kind) -> list[StreamInfo]:
        """Streams of one kind, in file order."""
        return [stream for stream in self.streams if stream.kind == kind]

    @property
    def pictures(self) -> list[StreamInfo]:
        """Moving-picture streams: no cover art."""
        return [stream for stream in self.of_kind("video") if not stream.attached_picture]

    @property
    def main_video(self) -> StreamInfo | None:
        """The stream that a player would show: the default one, or the largest."""

        def rank(stream: StreamInfo) -> tuple[bool, int]:
            size = stream.video.width * stream.video.height if stream.video else 0
            return stream.default, size

        return max(self.pictures, key=rank, default=None)

    @property
    def main_audio(self) -> StreamInfo | None:
        """The sound that a player would play: the default one, or the first."""
        sounds = [stream for stream in self.of_kind("audio") if stream.decodable and stream.audio is not None]
        return max(sounds, key=lambda stream: stream.default, default=None)


# Encoders of sound begin up to this long before or after their picture, which nobody notices.
_LATE_SECONDS = 0.03


def late_by(info: MediaInfo, stream: StreamInfo, start: float | None = None) -> float:
    """Seconds from the begin of a part of a file to that of one of its streams; 0 for what nobody would notice."""
    late = (stream.start_seconds or 0.0) - info.start_seconds - (start or 0.0)
    return late if late > _LATE_SECONDS else 0.0
