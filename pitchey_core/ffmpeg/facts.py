"""Parts of what processors report about media files."""

from __future__ import annotations

from pydantic import BaseModel

from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.sniffing import DEMUXERS
from pitchey_core.ffmpeg.transcode import Rendered

__all__ = ["EncoderFacts", "FileSummary", "SpriteFacts", "ThumbnailFacts", "VerificationFacts"]


class FileSummary(BaseModel):
    """A video file in a few numbers.

    Attributes:
        format: The container.
        width, height: As a viewer sees the picture: upright, square pixels.
        rotation: Degrees counter-clockwise that a player has to turn the stored picture.
        hdr: ``pq`` (HDR10) or ``hlg``; ``None`` for standard dynamic range.
        audio_tracks, subtitle_tracks, chapters: How many.
    """

    format: str
    bytes: int
    duration_seconds: float | None = None
    bit_rate: int | None = None
    video_codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    pixel_format: str | None = None
    rotation: int = 0
    interlaced: bool = False
    variable_rate: bool = False
    hdr: str | None = None
    audio_codecs: list[str] = []
    audio_tracks: int = 0
    subtitle_tracks: int = 0
    chapters: int = 0

    @classmethod
    def of(cls, info: MediaInfo, *, format_name: str | None = None) -> FileSummary:
        """From a probe."""
        main = info.main_video
        video = main.video if main is not None else None
        sounds = info.of_kind("audio")
        summary = cls(
            format=format_name or DEMUXERS[info.demuxer],
            bytes=info.bytes,
            duration_seconds=None if info.duration_seconds is None else round(info.duration_seconds, 3),
            bit_rate=info.bit_rate,
            audio_codecs=[stream.codec for stream in sounds],
            audio_tracks=len(sounds),
            subtitle_tracks=len(info.of_kind("subtitle")),
            chapters=info.chapters,
        )
        if main is None or video is None:
            return summary
        width, height = video.display_size
        return summary.model_copy(
            update={
                "video_codec": main.codec,
                "width": width,
                "height": height,
                "fps": None if video.fps is None else round(video.fps, 3),
                "pixel_format": video.pixel_format,
                "rotation": video.rotation,
                "interlaced": video.interlaced,
                "variable_rate": video.variable_rate,
                "hdr": video.hdr,
            }
        )


class EncoderFacts(BaseModel):
    """The video encoder that was used.

    Attributes:
        hardware: Its family; ``None`` for software.
        fallback_reason: Why hardware that was asked for was not used.
        frames: Pictures written.
        speed: Play time per wall time.
    """

    name: str
    codec: str
    hardware: str | None = None
    fallback_reason: str | None = None
    frames: int | None = None
    frames_duplicated: int = 0
    frames_dropped: int = 0
    speed: float | None = None

    @classmethod
    def of(cls, rendered: Rendered) -> EncoderFacts | None:
        """The encoder of an output; ``None`` if its picture was copied, or there is none."""
        encoder, stats = rendered.encoder, rendered.stats
        if encoder is None:
            return None
        return cls(
            name=encoder.name,
            codec=encoder.codec,
            hardware=encoder.hardware,
            fallback_reason=encoder.fallback_reason,
            frames=stats.frames,
            frames_duplicated=stats.duplicated,
            frames_dropped=stats.dropped,
            speed=stats.speed,
        )


class ThumbnailFacts(BaseModel):
    """A picture: the name of its artifact and its time in the output."""

    name: str
    time_seconds: float


class SpriteFacts(BaseModel):
    """A sprite sheet: the names of its artifacts, and its layout in pixels and seconds."""

    image: str
    webvtt: str
    tiles: int
    columns: int
    rows: int
    tile_width: int
    tile_height: int
    interval_seconds: float


class VerificationFacts(BaseModel):
    """How the output was checked before it was published.

    Attributes:
        method: ``sampled`` (every packet read, both ends and samples decoded) or ``full``.
        packets: Packets read, for each stream of the output.
    """

    method: str
    packets: list[int]
    duration_seconds: float
    frames_decoded: int

    @classmethod
    def of(cls, rendered: Rendered) -> VerificationFacts:
        """The record of an output's verification."""
        done = rendered.verification
        return cls(
            method=done.method,
            packets=list(done.packets),
            duration_seconds=done.seconds,
            frames_decoded=done.frames_decoded,
        )
