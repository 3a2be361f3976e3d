"""What a ``document`` job is asked for."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pitchey_core.payload import Alias, InputFile, Payload, Positional

__all__ = ["DocumentPayload", "OcrMode", "OutputKind", "selected_pages"]

OcrMode = Literal["auto", "always", "never"]
OutputKind = Literal["text", "markdown", "json", "searchable-pdf", "hocr", "pdf", "previews"]

_RANGE = re.compile(r"(\d+)?(-)?(\d+)?")


class DocumentPayload(Payload):
    """One document in, and what can be made of it."""

    document_url: Annotated[InputFile, Positional()] = Field(
        description="Document to read: a path or a URL (PDF, Office, picture, text)"
    )
    extract_text: bool = Field(True, description="Write the text; outputs, if given, decides instead")
    generate_preview: bool = Field(
        True, description="Make pictures of the pages and a contact sheet; outputs, if given, decides instead"
    )
    ocr_enabled: bool = Field(False, description="The same as ocr=auto, where ocr is not given")

    ocr: OcrMode | None = Field(
        None,
        description="Recognise the text in pictures of pages. auto: of pages whose text layer is missing or junk",
    )
    outputs: list[OutputKind] | None = Field(
        None, min_length=1, description="What to write, instead of what extract_text and generate_preview say"
    )
    pages: str | None = Field(
        None, max_length=1000, description="Pages to read, from 1: 1-3,7,12-  (the last range is open)"
    )
    languages: Annotated[list[str], Alias("--language")] = Field(
        default=["eng"],
        min_length=1,
        max_length=10,
        description="Languages of the text for OCR: eng, deu, fra, … or en, de, fr (those that tesseract has here)",
    )
    dpi: int | None = Field(
        None,
        ge=70,
        le=600,
        description="Resolution at which pages are recognised; default: the scan's own, at most 200",
    )
    password: str | None = Field(None, max_length=500, description="Password of an encrypted document")
    preview_width: int = Field(1024, ge=16, le=4096, description="Width of the page pictures in pixels")
    preview_format: Literal["webp", "jpeg", "png"] = Field(
        "webp", description="File format of the page pictures"
    )
    output_name: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        pattern=r"^[^/\\\x00-\x1f]+$",
        description="Name of the outputs, without folder; default: the name of the input",
    )

    @field_validator("languages", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """``eng+deu`` is how tesseract itself writes two languages."""
        given = [value] if isinstance(value, str) else value
        if isinstance(given, list) and all(isinstance(each, str) for each in given):
            return [part.strip() for each in given for part in re.split(r"[+,]", each) if part.strip()]
        return value

    @field_validator("pages")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            _ranges(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.wanted:
            raise ValueError("nothing is asked for: extract_text and generate_preview are both off")
        return self

    @property
    def ocr_mode(self) -> OcrMode:
        if self.ocr is not None:
            return self.ocr
        return "auto" if self.ocr_enabled else "never"

    @property
    def wanted(self) -> frozenset[OutputKind]:
        """What to write."""
        if self.outputs is not None:
            return frozenset(self.outputs)
        wanted: set[OutputKind] = set()
        if self.extract_text:
            wanted.add("text")
        if self.generate_preview:
            wanted.add("previews")
        return frozenset(wanted)


def _ranges(text: str) -> list[tuple[int, int | None]]:
    """``1-3,7,12-`` as pairs of first and last page, the last open.

    Raises:
        ValueError: It is not written like that.
    """
    ranges: list[tuple[int, int | None]] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None or not (match[1] or match[3]):
            raise ValueError(f"pages: {part.strip()!r} is no page or range of pages; write 1-3,7,12-")
        first = int(match[1] or 1)
        last = int(match[3]) if match[3] else (None if match[2] else first)
        if first < 1 or (last is not None and last < first):
            raise ValueError(f"pages: {part.strip()!r} runs backwards or begins before page 1")
        ranges.append((first, last))
    return ranges


def selected_pages(text: str | None, count: int) -> list[int]:
    """Numbers of the pages that ``text`` selects of a document of ``count`` pages, in order, each once.

    What lies behind the last page is left out.
    """
    if text is None:
        return list(range(1, count + 1))
    chosen: set[int] = set()
    for first, last in _ranges(text):
        chosen.update(range(first, min(count, count if last is None else last) + 1))
    return sorted(chosen)
