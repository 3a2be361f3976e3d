"""Sprite sheets: small pictures of a video in one image, with a WebVTT file that says which part belongs to which time.

The fragment ``#xywh=x,y,w,h`` (Media Fragments URI) is what web players expect in the cues.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from pitchey_core.ffmpeg.frames import FrameReader

__all__ = ["SpriteLayout", "compose_sheet", "sprite_layout", "webvtt"]

_MAX_TILES = 100
_MIN_TILES = 5
_MAX_COLUMNS = 10
_SHORTEST = 0.1


@dataclass(frozen=True, slots=True)
class SpriteLayout:
    """How a sheet is laid out.

    Attributes:
        tiles: How many there are; the last row may have fewer than ``columns``.
        interval: Seconds that each tile stands for. Tile ``k`` shows the middle of its time.
        width, height: Of one tile, in pixels.
    """

    tiles: int
    columns: int
    rows: int
    interval: float
    width: int
    height: int
    duration: float

    def place(self, number: int) -> tuple[int, int]:
        """Left and top of a tile, in pixels."""
        row, column = divmod(number, self.columns)
        return column * self.width, row * self.height

    @property
    def size(self) -> tuple[int, int]:
        return self.columns * self.width, self.rows * self.height


def sprite_layout(duration: float, size: tuple[int, int], *, tile_width: int = 160) -> SpriteLayout:
    """A layout for a video: one tile a second, at most 100 and at least 5 of them.

    Args:
        duration: Of the video, in seconds.
        size: Width and height of its picture.
        tile_width: In pixels; the height follows.
    """
    tiles = max(_MIN_TILES, min(_MAX_TILES, math.ceil(duration)))
    interval = max(_SHORTEST, duration / tiles)
    tiles = max(1, math.ceil(duration / interval - 1e-6))
    columns = min(_MAX_COLUMNS, tiles)
    height = max(2, round(tile_width * size[1] / size[0] / 2) * 2)
    return SpriteLayout(tiles, columns, math.ceil(tiles / columns), interval, tile_width, height, duration)


def webvtt(layout: SpriteLayout, image_name: str) -> str:
    """The cues of a sheet. ``image_name`` is relative to the place of the WebVTT file."""
    lines = ["WEBVTT", ""]
    for number in range(layout.tiles):
        left, top = layout.place(number)
        end = min((number + 1) * layout.interval, layout.duration) if number + 1 == layout.tiles else (
            (number + 1) * layout.interval
        )  # fmt: skip
        lines += [
            f"{_clock(number * layout.interval)} --> {_clock(max(end, number * layout.interval + 0.001))}",
            f"{image_name}#xywh={left},{top},{layout.width},{layout.height}",
            "",
        ]
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    milli = round(seconds * 1000)
    return f"{milli // 3_600_000:02}:{milli // 60_000 % 60:02}:{milli // 1000 % 60:02}.{milli % 1000:03}"


def compose_sheet(
    reader: FrameReader, layout: SpriteLayout, *, check: Callable[[], None] = lambda: None
) -> Image.Image:
    """Make a sheet picture by picture, for a video that is copied and so never decoded as a whole."""
    sheet = Image.new("RGB", layout.size)
    for number in range(layout.tiles):
        check()
        middle = min((number + 0.5) * layout.interval, max(0.0, layout.duration - 0.001))
        nearest = min(reader.key_times, key=lambda key: abs(key - middle), default=None)
        if nearest is not None and abs(nearest - middle) < layout.interval / 2:
            picture = reader.key_picture(nearest)
        else:
            picture = reader.exact_picture(middle)
        if picture is not None:
            sheet.paste(picture.image(layout.width, height=layout.height), layout.place(number))
    return sheet
