"""Thumbnails: pictures spread evenly over a video, none of them black where there is something better near."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import Image

from pitchey_core.ffmpeg.frames import FrameReader, Picture

__all__ = ["SAVE_OPTIONS", "Thumbnail", "best_picture", "midpoints", "take_thumbnails"]

# How many key frames of a cell are tried before others are decoded.
_KEYS_PER_CELL = 3
# Where to look in a cell without a good key frame; rising, because the decoder goes one way. The first lies early: each
# picture up to it has to be decoded.
_PLACES = (0.2, 0.5, 0.8, 0.95)
_POSTER_CHOICES = 8
_POSTER_EDGE = 0.08

SAVE_OPTIONS: dict[str, dict[str, object]] = {
    "jpeg": {"format": "JPEG", "quality": 85, "optimize": True},
    "webp": {"format": "WEBP", "quality": 80, "method": 4},
    "png": {"format": "PNG", "optimize": False},
}
"""How Pillow saves each picture format."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture and its time in seconds."""

    seconds: float
    image: Image.Image


def midpoints(duration: float, count: int) -> list[float]:
    """The middles of ``count`` equal parts of ``duration``, in seconds."""
    return [(number + 0.5) * duration / count for number in range(count)]


def take_thumbnails(
    reader: FrameReader,
    duration: float,
    count: int,
    *,
    width: int | None = None,
    skip_blank: bool = True,
    check: Callable[[], None] = lambda: None,
) -> Iterator[Thumbnail]:
    """Thumbnails in order of time, each from its own part of the video.

    Args:
        duration: Of the video, in seconds.
        width: Pixels; never enlarged.
        skip_blank: Prefer a neighbour to a nearly black or one-coloured picture.
        check: Called before each one; what it raises ends the work.
    """
    cell = duration / count if count else 0.0
    for number, middle in enumerate(midpoints(duration, count)):
        check()
        picture = _in_cell(reader, number * cell, middle, middle + cell / 2, skip_blank)
        if picture is not None:
            yield Thumbnail(picture.seconds, picture.image(width))


def _in_cell(reader: FrameReader, low: float, middle: float, high: float, skip_blank: bool) -> Picture | None:
    """A key frame of the cell, because that is cheap; else the next picture that has to be decoded anyway."""
    best = None
    keys = [key for key in reader.key_times if low <= key < high]
    for key in sorted(keys, key=lambda key: abs(key - middle))[:_KEYS_PER_CELL]:
        picture = reader.key_picture(key)
        if picture is not None and not (skip_blank and picture.blank):
            return picture
        best = _better(best, picture)
    if best is not None and not skip_blank:
        return best
    for place in _PLACES:
        picture = reader.exact_picture(low + place * (high - low))
        if picture is not None and not (skip_blank and picture.blank):
            return picture
        best = _better(best, picture)
    return best


def _better(first: Picture | None, second: Picture | None) -> Picture | None:
    if first is None or second is None:
        return first or second
    return max(first, second, key=lambda picture: picture.contrast)


def best_picture(
    reader: FrameReader, duration: float, *, check: Callable[[], None] = lambda: None
) -> Picture | None:
    """The picture of most contrast among a few key frames of a video, not of its ends, for a poster."""
    inner = [key for key in reader.key_times if _POSTER_EDGE * duration < key < (1 - _POSTER_EDGE) * duration]
    keys = inner[:: max(1, len(inner) // _POSTER_CHOICES)]
    best = None
    for key in keys:
        check()
        best = _better(best, reader.key_picture(key))
    if best is None or best.blank:
        best = _better(best, reader.exact_picture(duration / 2))
    return best or reader.key_picture(0.0)
