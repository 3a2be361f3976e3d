"""The stamp as a picture, whatever it was made from."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from pitchey_core import InputError, LimitExceeded

__all__ = ["make_stamp"]

_FONT_SIZE = 96
_PADDING = 16
_MAX_PIXELS = 8192 * 8192


def make_stamp(
    target: Path, *, text: str | None, image: Path | None, width: int, opacity: float
) -> tuple[int, int]:
    """Write the stamp as a PNG with transparency and return its size in pixels.

    Args:
        width: Of the stamp, in pixels.

    Raises:
        InputError: The picture cannot be read, or the text has nothing to see in it.
        LimitExceeded: The picture is too large.
    """
    stamp = _from_image(image) if image is not None else _from_text(text or "")
    height = max(2, round(stamp.height * width / stamp.width))
    stamp = stamp.resize((width, height), Image.Resampling.LANCZOS)
    stamp.putalpha(stamp.getchannel("A").point([round(value * opacity) for value in range(256)]))
    stamp.save(target, "PNG")
    return stamp.size


def _from_text(text: str) -> Image.Image:
    font = ImageFont.load_default(_FONT_SIZE)
    shown = " ".join(text.split())
    left, top, right, bottom = (round(edge) for edge in font.getbbox(shown))
    if not shown or right <= left or bottom <= top:
        raise InputError(f"the text {text!r} has nothing to see in it", remedy="give a text with letters")
    picture = Image.new("RGBA", (right - left + 2 * _PADDING, bottom - top + 2 * _PADDING))
    # White with a dark edge can be read on any background.
    ImageDraw.Draw(picture).text(
        (_PADDING - left, _PADDING - top), shown, font=font, fill="white", stroke_width=3, stroke_fill="black"
    )
    return picture


def _from_image(path: Path) -> Image.Image:
    try:
        with Image.open(path, formats=["PNG", "JPEG", "WEBP"]) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                raise LimitExceeded(
                    f"{path.name} has {picture.width} x {picture.height} pixels", limit="pixels"
                )
            return picture.convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(
            f"{path.name!r} is not a picture that can be stamped: {error}", remedy="give a PNG, JPEG or WebP"
        ) from None
