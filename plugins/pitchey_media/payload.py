"""What a ``media`` job is asked for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pitchey_core.ffmpeg.formats import Speed
from pitchey_core.payload import Alias, InputFile, Payload, Positional

__all__ = ["MediaPayload"]


class MediaPayload(Payload):
    """One audio or video in, and what each preset makes of it."""

    input_media: Annotated[InputFile, Positional()] = Field(
        description="Audio or video to work on: a path or a URL"
    )
    output_presets: Annotated[list[str], Alias("--preset")] = Field(
        default=["web-optimized"],
        min_length=1,
        max_length=20,
        description="What to make; all from one decode (pitchey-run presets lists them)",
    )
    generate_thumbnails: bool = Field(
        True, description="Take thumbnails of the first preset that makes a video, as it says"
    )

    preset_file: InputFile | None = Field(None, description="TOML file with presets of your own")
    overrides: dict[str, Any] = Field(
        default={},
        description='Changes to every preset of this job, as JSON: {"video": {"crf": 20}}',
    )
    start: float | None = Field(None, ge=0, allow_inf_nan=False, description="Start of the part, in seconds")
    duration: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Length of the part, in seconds"
    )
    speed: Speed | None = Field(None, description="Encoder preset, instead of those of the presets")
    loudness: float | None = Field(
        None, ge=-70, le=-5, description="Loudness to normalise to in LUFS, instead of those of the presets"
    )
    thumbnail_count: int | None = Field(None, ge=0, le=100, description="Number of thumbnails")
    thumbnail_width: int | None = Field(None, ge=16, le=7680, description="Width of thumbnails in pixels")
    thumbnail_format: Literal["jpeg", "webp", "png"] | None = Field(
        None, description="File format of thumbnails, sprite sheet and poster"
    )
    sprite: bool | None = Field(None, description="Make a sprite sheet for scrubbing, with its WebVTT file")
    poster: bool | None = Field(None, description="Make a poster: one good picture in full size")
    hardware: Literal["off", "auto", "nvenc", "qsv", "vaapi", "amf", "videotoolbox"] = Field(
        "off", description="Hardware encoder. auto: the first that works here; software takes over"
    )
    full_verify: bool = Field(
        False, description="Decode the outputs as a whole before they are published, not only samples"
    )
    output_name: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        pattern=r"^[^/\\\x00-\x1f]+$",
        description="Name of the outputs, without folder; default: the name of the input",
    )

    def changes(self) -> dict[str, Any]:
        """What this job changes in every preset, as a table of the preset schema."""
        short: dict[str, Any] = {}
        if self.speed is not None:
            short["video"] = {"speed": self.speed}
        if self.loudness is not None:
            short["audio"] = {"loudness": self.loudness}
        pictures = {
            "count": self.thumbnail_count,
            "width": self.thumbnail_width,
            "format": self.thumbnail_format,
            "sprite": self.sprite,
            "poster": self.poster,
        }
        if given := {key: value for key, value in pictures.items() if value is not None}:
            short["thumbnails"] = given
        for key, value in self.overrides.items():
            both = isinstance(value, dict) and isinstance(short.get(key), dict)
            short[key] = {**short[key], **value} if both else value
        return short
