"""What a ``video`` job is asked for."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pitchey_core.ffmpeg.formats import QUALITY_BOXES, Speed, VideoCodec, container
from pitchey_core.ffmpeg.steps import Wanted
from pitchey_core.payload import InputFile, Payload, Positional

__all__ = ["VideoPayload"]


class VideoPayload(Payload):
    """One video in, one video out, and pictures of it."""

    input_url: Annotated[InputFile, Positional()] = Field(description="Video to work on: a path or a URL")
    output_format: Literal["mp4", "mov", "mkv", "webm", "avi"] = Field(
        "mp4", description="Container of the output"
    )
    quality: Literal["480p", "720p", "1080p", "1440p", "2160p", "source"] = Field(
        "1080p", description="Largest picture: it is made smaller to fit, never larger; source keeps its size"
    )
    thumbnail_count: int = Field(
        0, ge=0, le=100, description="Number of thumbnails, spread over the whole video"
    )

    codec: VideoCodec = Field(
        "auto",
        description="Video codec. auto: h264, or vp9 in webm, and what fits already is copied; copy: never encode",
    )
    crf: int | None = Field(
        None,
        ge=0,
        le=63,
        description="Constant quality, on the encoder's own scale (h264 and hevc 0-51, av1 and vp9 0-63; lower is "
        "better). The same number means another quality at another speed",
    )
    video_bitrate: int | None = Field(
        None, ge=10_000, le=400_000_000, description="Average video bit rate in bits a second, instead of crf"
    )
    speed: Speed = Field("medium", description="Encoder preset: slower ones make smaller files")
    audio_codec: Literal["auto", "aac", "opus", "mp3", "ac3", "flac", "copy", "none"] = Field(
        "auto",
        description="Audio codec. auto: the container's usual one, and what fits already is copied; none: no sound",
    )
    audio_bitrate: int | None = Field(
        None, ge=8_000, le=1_536_000, description="Audio bit rate in bits a second, for each track"
    )
    start: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="Start of the part to keep, in seconds"
    )
    duration: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Length of the part to keep, in seconds"
    )
    max_fps: float | None = Field(
        None, gt=0, le=480, description="Most frames a second; slower videos keep their rate"
    )
    loudness: float | None = Field(
        None,
        ge=-70,
        le=-5,
        description="Loudness to normalise to in LUFS, measured first (-14 for the web, -23 for TV)",
    )
    thumbnail_width: int = Field(
        640, ge=16, le=7680, description="Width of thumbnails in pixels; never wider than the output"
    )
    thumbnail_format: Literal["jpeg", "webp", "png"] = Field(
        "jpeg", description="File format of thumbnails, sprite sheet and poster"
    )
    sprite: bool = Field(False, description="Make a sprite sheet for scrubbing, with its WebVTT file")
    poster: bool = Field(False, description="Make a poster: one good picture in full size")
    hardware: Literal["off", "auto", "nvenc", "qsv", "vaapi", "amf", "videotoolbox"] = Field(
        "off",
        description="Hardware encoder. auto: the first that works here; software takes over where none does",
    )
    full_verify: bool = Field(
        False, description="Decode the whole output before it is published, not only samples"
    )
    output_name: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        pattern=r"^[^/\\\x00-\x1f]+$",
        description="Name of the outputs, without folder; default: the name of the input",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.crf is not None and self.video_bitrate is not None:
            raise ValueError("give crf or video_bitrate, not both")
        if self.codec == "copy" and (self.crf is not None or self.video_bitrate is not None):
            raise ValueError("codec=copy takes neither crf nor video_bitrate")
        if self.loudness is not None and self.audio_codec in {"copy", "none"}:
            raise ValueError(f"loudness needs sound that is encoded, not audio_codec={self.audio_codec}")
        return self

    def wanted(self) -> Wanted:
        """The output that the planner should aim at."""
        return Wanted(
            container=container(self.output_format),
            box=QUALITY_BOXES[self.quality],
            codec=self.codec,
            crf=self.crf,
            video_bitrate=self.video_bitrate,
            speed=self.speed,
            audio_codec=self.audio_codec,
            audio_bitrate=self.audio_bitrate,
            start=self.start,
            duration=self.duration,
            max_fps=self.max_fps,
            loudness=self.loudness,
        )
