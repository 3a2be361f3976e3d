"""What the processor takes and what it reports."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pitchey_core import Alias, Facts, InputFile, Payload, Positional

__all__ = ["Position", "WatermarkFacts", "WatermarkPayload"]

Position = Literal["top-left", "top-right", "bottom-left", "bottom-right", "center"]


class WatermarkPayload(Payload):
    """A video and what to stamp onto it: ``text`` or ``image``."""

    input_url: Annotated[InputFile, Positional()] = Field(description="Video to stamp: a path or a URL")
    text: Annotated[str | None, Alias("-t")] = Field(
        None, min_length=1, max_length=80, description="Text of the stamp"
    )
    image: InputFile | None = Field(
        None, description="Picture to stamp instead (PNG with transparency, JPEG, WebP)"
    )
    position: Position = Field("bottom-right", description="Where it goes")
    opacity: float = Field(0.6, gt=0, le=1, description="1 hides what is behind it")
    size: float = Field(0.2, ge=0.02, le=1, description="Width of the stamp as a share of the picture's")

    @model_validator(mode="after")
    def _one_stamp(self) -> Self:
        if (self.text is None) == (self.image is None):
            raise ValueError("give either text or image")
        return self


class WatermarkFacts(Facts):
    """What was done. Sizes and places in pixels, times in seconds."""

    width: int
    height: int
    duration_seconds: float | None
    stamp_width: int
    stamp_height: int
    left: int
    top: int
    frames: int | None
    audio: Literal["copied", "encoded", "none"]
