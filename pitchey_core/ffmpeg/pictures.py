"""Thumbnails, poster and sprite sheet of a finished output.

They are taken from the output, which is upright, progressive and SDR already and whose key frames are where its index
says, whatever the input was like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image

from pitchey_core.ffmpeg.facts import SpriteFacts, ThumbnailFacts
from pitchey_core.ffmpeg.frames import FrameReader
from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.sprite import SpriteLayout, compose_sheet, sprite_layout, webvtt
from pitchey_core.ffmpeg.thumbnails import SAVE_OPTIONS, best_picture, take_thumbnails

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["PictureNames", "PictureOutputs", "Pictures", "take_pictures"]

PictureFormat = Literal["jpeg", "webp", "png"]
_EXTENSIONS = {"jpeg": "jpg", "webp": "webp", "png": "png"}


@dataclass(frozen=True, slots=True)
class PictureNames:
    """Artifact names of the pictures of a video, relative to the output folder."""

    thumbnails: tuple[str, ...] = ()
    poster: str | None = None
    sprite: str | None = None
    webvtt: str | None = None

    @classmethod
    def of(
        cls, stem: str, format_name: PictureFormat, *, thumbnails: int, poster: bool, sprite: bool
    ) -> PictureNames:
        """The names of as many pictures as are asked for."""
        extension = _EXTENSIONS[format_name]
        return cls(
            thumbnails=tuple(
                f"thumbnails/{stem}-{number:03}.{extension}" for number in range(1, thumbnails + 1)
            ),
            poster=f"{stem}-poster.{extension}" if poster else None,
            sprite=f"{stem}-sprite.{extension}" if sprite else None,
            webvtt=f"{stem}-sprite.vtt" if sprite else None,
        )

    def media_types(self, format_name: PictureFormat) -> dict[str, str]:
        """Each name that is used, with its media type."""
        pictures = (*self.thumbnails, self.poster, self.sprite)
        found = {name: f"image/{format_name}" for name in pictures if name is not None}
        return found | ({self.webvtt: "text/vtt"} if self.webvtt is not None else {})


@dataclass(frozen=True, slots=True)
class PictureOutputs:
    """The pictures that are wanted.

    Attributes:
        width: Of thumbnails, in pixels; never wider than the video.
        path: Where to write the output of a name.
        give_up: Releases a name for which there is nothing to write.
    """

    names: PictureNames
    format_name: PictureFormat
    width: int
    path: Callable[[str], Path]
    give_up: Callable[[str], None]


@dataclass(slots=True)
class Pictures:
    """What was taken."""

    thumbnails: list[ThumbnailFacts] = field(default_factory=list)
    poster: ThumbnailFacts | None = None
    sprite: SpriteFacts | None = None
    warnings: list[str] = field(default_factory=list)


def take_pictures(
    outputs: PictureOutputs, job: JobContext, output: MediaInfo, drawn: tuple[SpriteLayout, Path] | None
) -> Pictures:
    """Take every picture that is wanted.

    Args:
        output: The finished video.
        drawn: A sheet that the encode has drawn, with its layout.
    """
    taken = Pictures()
    names = outputs.names
    if not names.media_types(outputs.format_name):
        return taken
    main = output.main_video
    if main is not None and main.video is not None and main.video.hdr is not None:
        taken.warnings.append(
            "the pictures of an HDR video that stays HDR look pale: they are not tone-mapped"
        )
    with FrameReader(output, pixels=job.limits.pixels) as reader:
        duration = _duration(output)
        if names.thumbnails:
            _thumbnails(outputs, job, reader, duration, taken)
        if names.poster is not None:
            _poster(outputs, job, reader, duration, names.poster, taken)
        if names.sprite is not None and names.webvtt is not None:
            size = main.video.display_size if main is not None and main.video is not None else (16, 9)
            layout = drawn[0] if drawn is not None else sprite_layout(duration, size)
            sheet = _drawn(*drawn) if drawn is not None else compose_sheet(reader, layout, check=job.check)
            _save(sheet, outputs.path(names.sprite), outputs.format_name)
            text = webvtt(layout, names.sprite)
            outputs.path(names.webvtt).write_text(text, encoding="utf-8")
            taken.sprite = _sprite_facts(layout, names.sprite, names.webvtt)
    return taken


def _duration(output: MediaInfo) -> float:
    main = output.main_video
    return (main.duration_seconds if main is not None else None) or output.duration_seconds or 0.0


def _save(image: Image.Image, path: Path, format_name: str) -> None:
    options = dict(SAVE_OPTIONS[format_name])
    image.save(path, str(options.pop("format")), **options)


def _thumbnails(
    outputs: PictureOutputs,
    job: JobContext,
    reader: FrameReader,
    duration: float,
    taken: Pictures,
) -> None:
    names = list(outputs.names.thumbnails)
    shots = take_thumbnails(reader, duration, len(names), width=outputs.width, check=job.check)
    last = None
    for shot in shots:
        if last is not None and shot.seconds <= last:
            continue
        last = shot.seconds
        name = names.pop(0)
        _save(shot.image, outputs.path(name), outputs.format_name)
        taken.thumbnails.append(ThumbnailFacts(name=name, time_seconds=round(shot.seconds, 3)))
    for name in names:
        outputs.give_up(name)
    if names:
        taken.warnings.append(
            f"only {len(taken.thumbnails)} thumbnails: the video has no more different pictures"
        )


def _poster(
    outputs: PictureOutputs,
    job: JobContext,
    reader: FrameReader,
    duration: float,
    name: str,
    taken: Pictures,
) -> None:
    picture = best_picture(reader, duration, check=job.check)
    if picture is None:
        outputs.give_up(name)
        taken.warnings.append("no poster: no picture could be taken")
        return
    _save(picture.image(), outputs.path(name), outputs.format_name)
    taken.poster = ThumbnailFacts(name=name, time_seconds=round(picture.seconds, 3))


def _drawn(layout: SpriteLayout, path: Path) -> Image.Image:
    with Image.open(path) as sheet:
        return sheet.convert("RGB").crop((0, 0, *layout.size))


def _sprite_facts(layout: SpriteLayout, image: str, cues: str) -> SpriteFacts:
    return SpriteFacts(
        image=image,
        webvtt=cues,
        tiles=layout.tiles,
        columns=layout.columns,
        rows=layout.rows,
        tile_width=layout.width,
        tile_height=layout.height,
        interval_seconds=round(layout.interval, 6),
    )
