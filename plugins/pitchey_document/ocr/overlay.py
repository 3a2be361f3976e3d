"""The operators of a PDF page that write a reading invisibly where its words are seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pitchey_document.ocr.glyphless import ADVANCE, ASCENT, GlyphlessFont
from pitchey_document.ocr.words import PageReading, Word

__all__ = ["PageFrame", "text_operators"]

Point = tuple[float, float]
_NARROWEST = 0.05
_GAP = 0.12


@dataclass(frozen=True, slots=True)
class PageFrame:
    """The visible part of a page.

    Attributes:
        left, bottom, width, height: In the page's own units, before it is turned.
        rotation: Degrees clockwise by which viewers turn it: 0, 90, 180 or 270.
    """

    left: float
    bottom: float
    width: float
    height: float
    rotation: int

    def at(self, across: float, down: float) -> Point:
        """Where a point is that is seen at these parts (0 to 1) of the width and height, from the upper left."""
        match self.rotation:
            case 90:
                share_x, share_y = down, across
            case 180:
                share_x, share_y = 1 - across, down
            case 270:
                share_x, share_y = 1 - down, 1 - across
            case _:
                share_x, share_y = across, 1 - down
        return self.left + share_x * self.width, self.bottom + share_y * self.height


def text_operators(reading: PageReading, frame: PageFrame, font: GlyphlessFont, name: str) -> bytes:
    """A part of a content stream that leaves no mark and no changed state behind.

    Args:
        reading: Of the page as it is seen.
        name: Of the font in the page's resources, with its slash.
    """
    lines = [operator for line in reading.lines() for operator in _line(line, reading, frame, font, name)]
    return "\n".join(["q", "BT", "3 Tr", *lines, "ET", "Q", ""]).encode("ascii") if lines else b""


def _line(
    words: Sequence[Word], reading: PageReading, frame: PageFrame, font: GlyphlessFont, name: str
) -> Iterator[str]:
    slope = math.tan(math.radians(reading.skew_degrees))
    boxes = [_levelled(word, reading, slope) for word in words]
    top, bottom = min(box[1] for box in boxes), max(box[3] for box in boxes)
    height = max(bottom - top, 1.0)

    def place(x: float, y: float) -> Point:
        """From the upright picture to the page."""
        x, y = _given(x, y, reading)
        return frame.at(x / reading.size[0], y / reading.size[1])

    for index, (word, (left, _, right, _)) in enumerate(zip(words, boxes, strict=True)):
        # Words stand on a falling line like steps: of text that is itself aslant, readers make several lines.
        base = top + ASCENT * height + (left + right) / 2 * slope
        start, along, up = place(left, base), place(left + height, base), place(left, base - height)
        size = math.dist(start, up)
        # PDFium tells heights by the size of the font, not by that of the matrix.
        turn = ((along[0] - start[0]) / size, (along[1] - start[1]) / size)
        matrix = (*turn, (up[0] - start[0]) / size, (up[1] - start[1]) / size, *start)
        if index + 1 < len(words):
            # Without a gap to see, poppler makes one word of two.
            right = max(left + 1, min(right, boxes[index + 1][0] - _GAP * height))
        stretch = max(_NARROWEST, (right - left) / (height * ADVANCE * len(word.text)))
        yield f"{name} {size:.4f} Tf {stretch * 100:.2f} Tz {' '.join(f'{each:.4f}' for each in matrix)} Tm"
        # PDFium drops text objects of one character: each has its space.
        yield f"<{font.encoded(word.text + ' ')}> Tj"


def _levelled(word: Word, reading: PageReading, slope: float) -> tuple[float, float, float, float]:
    """The box of a word in the picture turned upright, with level lines."""
    width, height = reading.size
    match reading.rotation:
        case 90:
            x0, y0, x1, y1 = height - word.y1, word.x0, height - word.y0, word.x1
        case 180:
            x0, y0, x1, y1 = width - word.x1, height - word.y1, width - word.x0, height - word.y0
        case 270:
            x0, y0, x1, y1 = word.y0, width - word.x1, word.y1, width - word.x0
        case _:
            x0, y0, x1, y1 = word.x0, word.y0, word.x1, word.y1
    fall = (x0 + x1) / 2 * slope
    return x0, y0 - fall, x1, y1 - fall


def _given(x: float, y: float, reading: PageReading) -> Point:
    """From the picture turned upright to the picture as it was given."""
    width, height = reading.size
    match reading.rotation:
        case 90:
            return y, height - x
        case 180:
            return width - x, height - y
        case 270:
            return width - y, x
        case _:
            return x, y
