"""Names of a job's outputs, all reserved before the work starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_core.ffmpeg.formats import container
from pitchey_core.ffmpeg.naming import portable_stem, stem_of
from pitchey_video.payload import VideoPayload

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["OutputNames", "Outputs"]

_EXTENSIONS = {"jpeg": "jpg", "webp": "webp", "png": "png"}


@dataclass(frozen=True, slots=True)
class OutputNames:
    """Artifact names, relative to the output folder."""

    video: str
    thumbnails: tuple[str, ...]
    poster: str | None
    sprite: str | None
    webvtt: str | None

    @classmethod
    def of(cls, payload: VideoPayload) -> OutputNames:
        """The names that a payload leads to."""
        extension = _EXTENSIONS[payload.thumbnail_format]
        given = payload.output_name
        if given is not None and given.lower().endswith(f".{payload.output_format}"):
            given = given[: -len(payload.output_format) - 1]
        stem = portable_stem(given) if given is not None else stem_of(payload.input_url)
        return cls(
            video=f"{stem}.{payload.output_format}",
            thumbnails=tuple(
                f"thumbnails/{stem}-{number:03}.{extension}"
                for number in range(1, payload.thumbnail_count + 1)
            ),
            poster=f"{stem}-poster.{extension}" if payload.poster else None,
            sprite=f"{stem}-sprite.{extension}" if payload.sprite else None,
            webvtt=f"{stem}-sprite.vtt" if payload.sprite else None,
        )


class Outputs:
    """The reserved outputs of one job: their names and where to write them."""

    def __init__(self, payload: VideoPayload, job: JobContext) -> None:
        self.names = OutputNames.of(payload)
        self._job = job
        picture = f"image/{payload.thumbnail_format}"
        media_types = {
            self.names.video: container(payload.output_format).media_type,
            **dict.fromkeys((*self.names.thumbnails, self.names.poster, self.names.sprite), picture),
            self.names.webvtt: "text/vtt",
        }
        # All at once and before anything is encoded: an output that exists is refused now, not after an hour.
        self._paths = {
            name: job.artifact(name, kind) for name, kind in media_types.items() if name is not None
        }

    @property
    def video(self) -> Path:
        return self._paths[self.names.video]

    def path(self, name: str) -> Path:
        """Where to write an output."""
        return self._paths[name]

    def give_up(self, name: str) -> None:
        """Release a name for which there is nothing to write."""
        self._job.stage.drop(name)
