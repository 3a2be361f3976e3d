"""What a ``document`` job reports."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, is_dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from pitchey_core.processor import Facts
from pitchey_document.security import SecurityFacts

__all__ = ["DocumentFacts", "OcrFacts", "OutlineEntry", "PageFacts", "TextSource"]

_MOST_BYTES: Final = 200 * 1024
"""Facts may have 256 KiB of JSON; a warning or two come afterwards."""

TextSource = Literal["text-layer", "ocr", "none", "failed"]


class PageFacts(BaseModel):
    """What became of a page.

    Attributes:
        width_pt, height_pt: Its size as it is shown, in points (1/72 inch).
        source: Where its text comes from; ``none``: there is none; ``failed``: it could not be read.
        reason: Why.
        characters: Of its text.
        confidence: Of the recognised words, weighted by their length, 0 to 100.
        rotation: Degrees clockwise by which its picture was turned before recognition.
        skew_degrees: By how much its picture was skewed, counter-clockwise.
        dpi: Resolution at which it was recognised.
        seconds: Wall time.
        error: What was wrong with it.
    """

    number: int
    width_pt: float | None = None
    height_pt: float | None = None
    source: TextSource
    reason: str
    characters: int = 0
    confidence: float | None = None
    rotation: int = 0
    skew_degrees: float = 0.0
    dpi: float | None = None
    seconds: float = 0.0
    error: str | None = None


class OcrFacts(BaseModel):
    """The recognition as a whole.

    Attributes:
        engine: Program and version.
        orientation: Whether pages that lie on their side were looked for: ``available``, or ``unavailable`` where
            the engine lacks its ``osd`` data.
        pages: Number of pages recognised.
        confidence: Mean over the pages, weighted by their characters, 0 to 100.
    """

    engine: str
    languages: list[str]
    orientation: Literal["available", "unavailable"]
    pages: int
    confidence: float | None = None


class OutlineEntry(BaseModel):
    """An entry of the table of contents, a slide's title or a sheet's name.

    Attributes:
        level: From 1.
        page: Page, slide or sheet from 1; ``None`` if it leads nowhere.
    """

    level: int
    title: str
    page: int | None = None


class DocumentFacts(Facts):
    """Facts of a ``document`` job.

    Attributes:
        kind: ``pdf``, ``docx``, ``tiff``, …: by content.
        media_type: Of the input.
        bytes: Of the input.
        page_count: Pages, slides, sheets or frames of the whole document; ``None`` if it has none.
        characters, words: Of the text that was found.
        pages: Of the pages that were read, the first 500; all of them stand in the JSON output.
        metadata: Title, author, dates and so on, as the document says.
        outline: The first 200 entries.
        resumed_pages: Pages that an earlier attempt had finished.
        timings: Seconds of wall time by step.
        warnings: What a person should know although the job is done.
    """

    kind: str
    media_type: str
    bytes: int
    page_count: int | None = None
    characters: int = 0
    words: int = 0
    pages: list[PageFacts] = Field(default_factory=list)
    ocr: OcrFacts | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    outline: list[OutlineEntry] = Field(default_factory=list)
    security: SecurityFacts = Field(default_factory=SecurityFacts)
    resumed_pages: int = 0
    timings: dict[str, float] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)

    def shorten(self) -> None:
        """Halve the longest list until the facts are as small as facts have to be, and say so in a warning.

        What a document calls its title, headings and links is as long as its author likes.
        """
        shortened = False
        while _size(self.model_dump(mode="json")) > _MOST_BYTES:
            found: list[list[Any]] = [self.pages, self.outline, self.warnings, *_lists(self.security)]
            longest = max(found, key=lambda each: _size([_plain(entry) for entry in each]))
            if _size(self.metadata) > _size([_plain(entry) for entry in longest]):
                self.metadata = dict(list(self.metadata.items())[: len(self.metadata) // 2])
            else:
                del longest[len(longest) // 2 :]
            shortened = True
        if shortened:
            self.warnings.append("the facts are shortened to 200 KiB; the JSON output has all pages")


def _lists(security: SecurityFacts) -> list[list[Any]]:
    return [value for each in fields(security) if isinstance(value := getattr(security, each.name), list)]


def _plain(entry: Any) -> Any:
    if isinstance(entry, BaseModel):
        return entry.model_dump(mode="json")
    return asdict(entry) if is_dataclass(entry) and not isinstance(entry, type) else entry


def _size(data: Any) -> int:
    return len(json.dumps(data))
