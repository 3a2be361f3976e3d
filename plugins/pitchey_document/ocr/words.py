"""What was read on a page: words with their places, and the text they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, Literal

__all__ = ["Orientation", "PageReading", "Word", "mean_confidence"]

Orientation = Literal["detected", "unavailable", "unsure"]


@dataclass(frozen=True, slots=True)
class Word:
    """A word; its box is in pixels of the picture as it was given, ``x1`` and ``y1`` just outside.

    Attributes:
        confidence: 0 to 100, the engine's own.
        block, paragraph, line: Numbers from 1 in reading order; a paragraph's count within its block, a line's within
            its paragraph.
    """

    text: str
    x0: int
    y0: int
    x1: int
    y1: int
    confidence: float
    block: int
    paragraph: int
    line: int


@dataclass(frozen=True, slots=True)
class PageReading:
    """What recognition made of one picture.

    Attributes:
        words: In reading order.
        text: A line for each line, a blank line between paragraphs.
        confidence: Mean over the words, weighted by length, 0 to 100; ``None`` without words.
        rotation: Degrees clockwise by which the picture had to be turned to be upright: 0, 90, 180 or 270. Boxes are
            in the picture before that.
        orientation: ``detected``; ``unavailable`` where the engine lacks the data; ``unsure`` where it could not tell.
        skew_degrees: By how much the lines of the turned picture fell clockwise.
        background_divided: Whether uneven light or pale print was evened out.
        inverted: Whether it was light on dark.
        scale: Pixels that recognition saw for one of the source.
        size: Width and height of the picture as it was given, in pixels.
    """

    words: list[Word]
    text: str
    confidence: float | None
    rotation: int
    orientation: Orientation
    skew_degrees: float
    background_divided: bool
    inverted: bool
    scale: float
    size: tuple[int, int]

    def lines(self) -> Iterator[list[Word]]:
        """The words line by line."""
        for _, words in groupby(self.words, key=lambda word: (word.block, word.paragraph, word.line)):
            yield list(words)

    def as_record(self) -> dict[str, Any]:
        """As JSON data; each word is a list in the order of the fields of :class:`Word`."""
        record = {**asdict(self), "size": list(self.size)}
        record["words"] = [list(asdict(word).values()) for word in self.words]
        return record

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> PageReading:
        words = [Word(*each) for each in record["words"]]
        width, height = record["size"]
        return cls(**{**record, "words": words, "size": (width, height)})


def mean_confidence(words: Sequence[Word]) -> float | None:
    """Weighted by length, so that specks read as dots count little; ``None`` without words."""
    letters = sum(len(word.text) for word in words)
    if not letters:
        return None
    return round(sum(word.confidence * len(word.text) for word in words) / letters, 1)


def text_of(words: Sequence[Word]) -> str:
    """A line for each line, a blank line between paragraphs."""
    paragraphs = groupby(words, key=lambda word: (word.block, word.paragraph))
    return "\n\n".join(
        "\n".join(
            " ".join(word.text for word in line) for _, line in groupby(paragraph, key=lambda word: word.line)
        )
        for _, paragraph in paragraphs
    )
