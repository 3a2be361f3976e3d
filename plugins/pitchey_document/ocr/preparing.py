"""What a picture of a page needs before recognition: grey, dark on light, even light, enough pixels, level lines.

Everything is measured on a small copy, so that a good page pays little: of an A4 page at 300 dpi about 60 ms, where
recognition takes 1 to 2 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pitchey_document.ocr.geometry import Placement
from pitchey_document.ocr.light import Light, divide_background, light_of
from pitchey_document.ocr.skew import level, measure_skew
from pitchey_document.pictures import flat

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "TARGET_DPI",
    "Examined",
    "Prepared",
    "examine",
    "finish",
    "guess_dpi",
    "prepare",
    "reduced",
]

TARGET_DPI = 200.0
"""What recognition gets to see.

On the tuning pages (scans at 300 dpi with noise and JPEG of quality 60; Liberation and URW fonts) it takes 0.75 of
the CPU time that 300 dpi takes. The errors do not change at 10 to 12 points (none of either), and fall from 0.36 % to
none at 6 to 8 points, where scaling averages the noise. Hard pages at 150 dpi read as well at 200 as at 300.
"""
_NEAR = (0.9, 1.2)
"""Shares of the wanted resolution between which scaling would only cost."""
_LEAST_DPI = 30.0
_SMALL_PIXELS = 1300
_WORTH_LEVELLING = 0.3
_SOFTEN_INCHES = 0.7 / 150
_MAX_PIXELS = 60_000_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture fit for recognition.

    Attributes:
        image: Grey, dark on light.
        dpi: Of ``image``.
        skew_degrees: By how much the lines of the source fell clockwise; measured, whether corrected or not.
        placement: Where its pixels lie in the source.
    """

    image: Image
    dpi: float
    skew_degrees: float
    background_divided: bool
    inverted: bool
    placement: Placement


@dataclass(frozen=True, slots=True)
class Examined:
    """A picture with what a small copy of it tells.

    Attributes:
        source: Grey, dark on light.
        small: About 1300 pixels high; dark on light, with even light.
        dpi: Of ``source``.
    """

    source: Image
    small: Image
    dpi: float
    light: Light


def examine(image: Image, *, dpi: float | None) -> Examined:
    """Look at a picture of any mode and size; ``dpi`` of ``None``: guess it from the size."""
    from PIL import ImageOps

    source = flat(image, "L")
    small = _reduced(source, _SMALL_PIXELS)
    light = light_of(small)
    if light.inverted:
        source, small = ImageOps.invert(source), ImageOps.invert(small)
    if light.uneven:
        small = divide_background(small)
    return Examined(source, small, dpi if dpi and dpi >= _LEAST_DPI else guess_dpi(image.size), light)


def prepare(image: Image, *, dpi: float | None) -> Prepared:
    """Make a picture fit for recognition; see :func:`examine` and :func:`finish`."""
    return finish(examine(image, dpi=dpi))


def finish(examined: Examined, rotation: int = 0, target_dpi: float = TARGET_DPI) -> Prepared:
    """Make an examined picture fit for recognition.

    Args:
        rotation: Degrees clockwise, a multiple of 90, by which it has to be turned first.
        target_dpi: Resolution that recognition shall see.
    """
    from PIL import Image as Pictures
    from PIL import ImageFilter

    source, light = examined.source, examined.light
    size = source.size
    scale = _scale(examined.dpi, target_dpi, size)
    if scale < 1.0:
        source = _scaled(source, scale)
    if light.uneven:
        source = divide_background(source)
    if scale > 1.0:
        if light.uneven:
            # Dividing dark parts amplifies their noise: on the tuning pages (hard, 150 dpi) this halves the errors.
            source = source.filter(ImageFilter.GaussianBlur(_SOFTEN_INCHES * examined.dpi))
        source = _scaled(source, scale)
    small = examined.small
    if rotation:
        turns = {90: Pictures.Transpose.ROTATE_270, 180: Pictures.Transpose.ROTATE_180}
        turn = turns.get(rotation, Pictures.Transpose.ROTATE_90)
        source, small = source.transpose(turn), small.transpose(turn)
    skew = measure_skew(small)
    levelled = skew if abs(skew) >= _WORTH_LEVELLING else 0.0
    if levelled:
        source = level(source, levelled)
    placement = Placement(size, rotation, levelled, scale)
    return Prepared(source, examined.dpi * scale, skew, light.uneven, light.inverted, placement)


def _scaled(image: Image, scale: float) -> Image:
    from PIL import Image as Pictures

    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Pictures.Resampling.LANCZOS)


def guess_dpi(size: tuple[int, int]) -> float:
    """The resolution at which a picture would be as wide as a page; 70 to 600.

    What is far from the proportions of paper may be a part of a page and is taken for 8 inches wide at most.
    """
    short, long = sorted(size)
    inches = 8.27 if long <= 1.6 * short else 11.0
    across = short if long <= 1.6 * short else long
    return min(600.0, max(70.0, across / inches))


def reduced(examined: Examined, pixels: int) -> Image:
    """The examined picture, dark on light and evenly lit, with about so many pixels on its longer side at most."""
    small = _reduced(examined.source, pixels)
    return divide_background(small) if examined.light.uneven else small


def _reduced(image: Image, pixels: int) -> Image:
    factor = max(1, round(max(image.size) / pixels))
    return image.reduce(factor) if factor > 1 else image


def _scale(dpi: float, target_dpi: float, size: tuple[int, int]) -> float:
    if _NEAR[0] <= dpi / target_dpi <= _NEAR[1]:
        return 1.0
    most = (_MAX_PIXELS / (size[0] * size[1])) ** 0.5
    return float(min(target_dpi / dpi, 4.0, most))
