"""Thumbnails, poster and sprite sheet of a finished output.

They are taken from the output, which is upright, progressive and SDR already and whose key frames are where its index
says, whatever the input was like.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from pitchey_core.ffmpeg.frames import FrameReader
from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.sprite import SpriteLayout, compose_sheet, sprite_layout, webvtt
from pitchey_core.ffmpeg.thumbnails import SAVE_OPTIONS, best_picture, take_thumbnails
from pitchey_video.facts import SpriteFacts, ThumbnailFacts
from pitchey_video.names import Outputs
from pitchey_video.payload import VideoPayload

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["Pictures", "take_pictures"]


@dataclass(slots=True)
class Pictures:
    """What was taken."""

    thumbnails: list[ThumbnailFacts] = field(default_factory=list)
    poster: ThumbnailFacts | None = None
    sprite: SpriteFacts | None = None
    warnings: list[str] = field(default_factory=list)


def take_pictures(
    payload: VideoPayload, job: JobContext, output: MediaInfo, outputs: Outputs, drawn: SpriteLayout | None
) -> Pictures:
    """Take every picture that the payload asks for.

    Args:
        output: The finished output.
        drawn: Layout of a sheet that the encode has drawn into the work folder.
    """
    taken = Pictures()
    if not (payload.thumbnail_count or payload.poster or payload.sprite):
        return taken
    main = output.main_video
    if main is not None and main.video is not None and main.video.hdr is not None:
        taken.warnings.append(
            "the pictures of an HDR video that stays HDR look pale: they are not tone-mapped"
        )
    with FrameReader(output, pixels=job.limits.pixels) as reader:
        duration = _duration(output)
        if payload.thumbnail_count:
            _thumbnails(payload, job, reader, duration, outputs, taken)
        if outputs.names.poster is not None:
            _poster(payload, job, reader, duration, outputs, outputs.names.poster, taken)
        if outputs.names.sprite is not None and outputs.names.webvtt is not None:
            size = main.video.display_size if main is not None and main.video is not None else (16, 9)
            layout = drawn or sprite_layout(duration, size)
            sheet = (
                _drawn(job, layout) if drawn is not None else compose_sheet(reader, layout, check=job.check)
            )
            _save(sheet, outputs.path(outputs.names.sprite), payload.thumbnail_format)
            text = webvtt(layout, outputs.names.sprite)
            outputs.path(outputs.names.webvtt).write_text(text, encoding="utf-8")
            taken.sprite = _sprite_facts(layout, outputs.names.sprite, outputs.names.webvtt)
    return taken


def _duration(output: MediaInfo) -> float:
    main = output.main_video
    return (main.duration_seconds if main is not None else None) or output.duration_seconds or 0.0


def _save(image: Image.Image, path: Path, format_name: str) -> None:
    options = dict(SAVE_OPTIONS[format_name])
    image.save(path, str(options.pop("format")), **options)


def _thumbnails(
    payload: VideoPayload,
    job: JobContext,
    reader: FrameReader,
    duration: float,
    outputs: Outputs,
    taken: Pictures,
) -> None:
    names = list(outputs.names.thumbnails)
    shots = take_thumbnails(
        reader, duration, payload.thumbnail_count, width=payload.thumbnail_width, check=job.check
    )
    last = None
    for shot in shots:
        if last is not None and shot.seconds <= last:
            continue
        last = shot.seconds
        name = names.pop(0)
        _save(shot.image, outputs.path(name), payload.thumbnail_format)
        taken.thumbnails.append(ThumbnailFacts(name=name, time_seconds=round(shot.seconds, 3)))
    for name in names:
        outputs.give_up(name)
    if names:
        taken.warnings.append(
            f"only {len(taken.thumbnails)} thumbnails: the video has no more different pictures"
        )


def _poster(
    payload: VideoPayload,
    job: JobContext,
    reader: FrameReader,
    duration: float,
    outputs: Outputs,
    name: str,
    taken: Pictures,
) -> None:
    picture = best_picture(reader, duration, check=job.check)
    if picture is None:
        outputs.give_up(name)
        taken.warnings.append("no poster: no picture could be taken")
        return
    _save(picture.image(), outputs.path(name), payload.thumbnail_format)
    taken.poster = ThumbnailFacts(name=name, time_seconds=round(picture.seconds, 3))


def _drawn(job: JobContext, layout: SpriteLayout) -> Image.Image:
    with Image.open(job.workdir / "sheet.png") as sheet:
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
