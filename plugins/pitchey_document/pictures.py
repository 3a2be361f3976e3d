"""Pictures as Pillow opens them: which of their frames are pages, which way up they are, and what colours they have."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["UNREADABLE", "flat", "open_picture", "orientation_of", "page_count", "separated"]

UNREADABLE: Final = (
    OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, ArithmeticError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow raises on damaged pictures."""

_MIB: Final = 1024**2
_TEXT_CHUNK_BYTES: Final = 32 * _MIB
"""Of a text in a PNG, inflated; drawing programs keep the whole drawing in one, and Pillow allows it 1 MiB."""
_TEXT_BYTES: Final = 64 * _MIB
_WITH_PAGES: Final = {"TIFF", "WEBP"}
_EXIF_ORIENTATION: Final = 0x0112
_DEEP_MAX: Final = 65535
_LEAST_SPAN: Final = 2560
"""Of the values of a 16-bit picture: what has less contrast (4 %) is blank paper, and would become noise."""


def open_picture(path: str | Path) -> Image:
    """Open a picture of any size: how large it may be is for the caller to check, before it is decoded.

    This changes Pillow's limits for the process.

    Raises:
        UNREADABLE: It is damaged.
    """
    from PIL import Image as Pictures
    from PIL import PngImagePlugin

    # Our own limit holds, and names itself; Pillow's would be a warning below it.
    Pictures.MAX_IMAGE_PIXELS = None
    PngImagePlugin.MAX_TEXT_CHUNK = _TEXT_CHUNK_BYTES
    PngImagePlugin.MAX_TEXT_MEMORY = _TEXT_BYTES
    return Pictures.open(path)


def page_count(picture: Image) -> int:
    """Number of frames that are pages: all of a TIFF or WebP, and the first of anything else.

    A phone's JPEG (MPO) has a preview or a gain map behind the picture, an animated PNG the rest of its film.
    """
    return int(getattr(picture, "n_frames", 1)) if picture.format in _WITH_PAGES else 1


def orientation_of(picture: Image) -> int:
    """EXIF's orientation, 1 to 8; 1, which is upright, where the EXIF data is damaged.

    Ask when the picture is loaded: loading turns a TIFF and takes its orientation away.
    """
    try:
        orientation = int(picture.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - Pillow raises anything on damaged EXIF, and the picture is good without it
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def separated(picture: Image) -> tuple[Image, Image | None]:
    """A picture's colours, 8 bits deep at most, and its opacity; ``None`` if nothing shines through.

    The first may be the picture itself, and may still have a band of opacity, which converting drops.
    """
    if picture.mode.startswith(("I", "F")):
        return _eight_bits(picture), None
    if not picture.has_transparency_data:
        return picture, None
    colours = picture if picture.mode in {"RGBA", "LA"} else picture.convert("RGBA")
    opacity = colours.getchannel("A")
    return colours, None if opacity.getextrema() == (255, 255) else opacity


def flat(picture: Image, mode: Literal["L", "RGB"]) -> Image:
    """A picture on white paper; the same object if it is that already.

    The opacity is a mask for painting the paper, which takes half of the memory that blending two pictures takes.
    """
    from PIL import ImageChops

    colours, opacity = separated(picture)
    if colours.mode != mode:
        colours = colours.convert(mode)
    if opacity is not None:
        colours.paste("white", (0, 0, *colours.size), ImageChops.invert(opacity))
    return colours


def _eight_bits(picture: Image) -> Image:
    """Deep greys as 8 bits, from the darkest to the lightest; Pillow itself cuts off what is above 255."""
    deep = picture if picture.mode in {"I;16", "I", "F"} else picture.convert("I")
    low, high = cast("tuple[float, float]", deep.getextrema())
    if picture.mode.startswith("I;16") and high - low < _LEAST_SPAN:
        low, high = 0, _DEEP_MAX
    scale = 255.0 / ((high - low) or 1.0)
    if deep.mode != "F":
        deep = deep.convert("F")
    return deep.point(lambda value: value * scale - low * scale).convert("L")
