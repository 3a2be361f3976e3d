"""Names of a job's outputs, all reserved before the work starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_core.ffmpeg.formats import container
from pitchey_core.ffmpeg.pictures import PictureNames, PictureOutputs
from pitchey_core.naming import portable_stem, stem_of
from pitchey_video.payload import VideoPayload

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["Outputs"]


class Outputs:
    """The reserved outputs of one job: their names and where to write them.

    Attributes:
        name: Of the video.
        pictures: What else is wanted.
    """

    def __init__(self, payload: VideoPayload, job: JobContext) -> None:
        given = payload.output_name
        if given is not None and given.lower().endswith(f".{payload.output_format}"):
            given = given[: -len(payload.output_format) - 1]
        stem = portable_stem(given) if given is not None else stem_of(payload.input_url)
        names = PictureNames.of(
            stem,
            payload.thumbnail_format,
            thumbnails=payload.thumbnail_count,
            poster=payload.poster,
            sprite=payload.sprite,
        )
        self.name = f"{stem}.{payload.output_format}"
        # All at once and before anything is encoded: an output that exists is refused now, not after an hour.
        media_types = {
            self.name: container(payload.output_format).media_type,
            **names.media_types(payload.thumbnail_format),
        }
        self._paths = {name: job.artifact(name, kind) for name, kind in media_types.items()}
        self.pictures = PictureOutputs(
            names, payload.thumbnail_format, payload.thumbnail_width, self.path, job.stage.drop
        )

    @property
    def video(self) -> Path:
        return self._paths[self.name]

    def path(self, name: str) -> Path:
        """Where to write an output."""
        return self._paths[name]
