"""What a picture of a page needs before recognition: grey, dark on light, even light, enough pixels, level lines.

Everything is measured on a small copy, so that a good page pays little: of an A4 page at 300 dpi about 60 ms, where
recognition takes 1 to 2 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pitchey_document.ocr.geometry import Placement
from pitchey_document.ocr.light import divide_background, light_of
from pitchey_document.ocr.skew import level, measure_skew

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Prepared", "grey", "prepare"]

TARGET_DPI = 300.0
_LOW_DPI = 190.0
_WORTH_LEVELLING = 0.3
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


def grey(image: Image) -> Image:
    """Any picture as 8-bit grey; transparent parts become white."""
    from PIL import Image as Pictures

    if image.mode == "L":
        return image
    if image.mode.startswith(("I", "F")):
        low, high = (float(each) for each in image.getextrema())  # type: ignore[arg-type]
        span = 255.0 / ((high - low) or 1.0)
        return image.convert("F").point(lambda value: value * span - low * span).convert("L")
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Pictures.new("RGBA", coloured.size, (255, 255, 255, 255))
        return Pictures.alpha_composite(white, coloured).convert("L")
    return image.convert("L")


def prepare(image: Image, *, dpi: float | None, rotation: int = 0) -> Prepared:
    """Make a picture fit for recognition.

    Args:
        image: Any mode and size.
        dpi: Its resolution; ``None`` to guess it from its size.
        rotation: Degrees clockwise, a multiple of 90, by which it has to be turned first.
    """
    from PIL import Image as Pictures
    from PIL import ImageOps

    source = grey(image)
    if rotation:
        turns = {90: Pictures.Transpose.ROTATE_270, 180: Pictures.Transpose.ROTATE_180}
        source = source.transpose(turns.get(rotation, Pictures.Transpose.ROTATE_90))
    resolution = dpi if dpi and dpi >= 30 else guess_dpi(source.size)
    small = _reduced(source)
    light = light_of(small)
    if light.inverted:
        source, small = ImageOps.invert(source), ImageOps.invert(small)
    if light.uneven:
        source, small = divide_background(source), divide_background(small)
    skew = measure_skew(small)
    scale = _scale(resolution, source.size)
    if scale != 1.0:
        size = (round(source.width * scale), round(source.height * scale))
        source = source.resize(size, Pictures.Resampling.LANCZOS)
    levelled = skew if abs(skew) >= _WORTH_LEVELLING else 0.0
    if levelled:
        source = level(source, levelled)
    placement = Placement(image.size, rotation, levelled, scale)
    return Prepared(source, resolution * scale, skew, light.uneven, light.inverted, placement)


def guess_dpi(size: tuple[int, int]) -> float:
    """The resolution at which a picture would be as wide as a page; 70 to 600.

    What is far from the proportions of paper may be a part of a page and is taken for 8 inches wide at most.
    """
    short, long = sorted(size)
    inches = 8.27 if long <= 1.6 * short else 11.0
    across = short if long <= 1.6 * short else long
    return min(600.0, max(70.0, across / inches))


def _reduced(image: Image) -> Image:
    factor = max(1, round(max(image.size) / 1300))
    return image.reduce(factor) if factor > 1 else image


def _scale(dpi: float, size: tuple[int, int]) -> float:
    if dpi >= _LOW_DPI:
        return 1.0
    most = (_MAX_PIXELS / (size[0] * size[1])) ** 0.5
    return float(max(1.0, min(TARGET_DPI / dpi, 4.0, most)))
