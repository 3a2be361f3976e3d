"""What a PDF says of itself as a whole. This runs in an isolated process."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pitchey_core.errors import PitcheyError
from pitchey_document.pages.sources import open_pages
from pitchey_document.pdf.findings import findings

__all__ = ["inspect_pdf"]

_MOST_ENTRIES: Final = 200
_MOST_METADATA: Final = 50
_LONGEST: Final = 200
_MOST_DEPTH: Final = 8


def inspect_pdf(path: str, password: str | None, seconds: float, folder: str) -> Iterator[str]:
    """Write what is found into files of a folder, part by part, so that a part that fails costs no other.

    Yields the name of each file when it is written; each holds a JSON object with some of the parts.

    The parts: ``page_count``; ``security``, a record of :class:`~pitchey_document.security.SecurityFacts`;
    ``metadata``; ``outline`` (``level``, ``title``, ``page`` from 1); and ``warnings`` wherever there are any.

    Args:
        seconds: Wall time for what is read beyond the number of pages.

    Raises:
        InputError: It cannot be opened, or its password is missing or wrong.
    """
    for number, part in enumerate(_parts(path, password, seconds)):
        name = f"{number}.json"
        Path(folder, name).write_text(json.dumps(part), "utf-8")
        yield name


def _parts(path: str, password: str | None, seconds: float) -> Iterator[dict[str, Any]]:
    yield {"page_count": len(open_pages(path, "pdf", password=password, most_pixels=0))}
    ends = time.monotonic() + seconds
    try:
        reader = _reader(path, password)
    except Exception as error:  # noqa: BLE001 - pypdf meets hostile input; PDFium has opened it, and that is enough
        yield {
            "warnings": [f"its structure cannot be read ({_short(error)}): no metadata, no security facts"]
        }
        return
    security, warnings = findings(reader, ends)
    yield {"security": security.as_record(), "warnings": warnings}
    parts = {"metadata": _metadata, "outline": _outline}
    for name, read in parts.items():
        try:
            yield {name: read(reader, ends)}
        except (Exception, RecursionError) as error:  # noqa: BLE001 - as above
            yield {"warnings": [f"its {name} cannot be read ({_short(error)})"]}


def _reader(path: str, password: str | None) -> Any:
    from pypdf import PdfReader

    # An ordinary file can make it log a thousand warnings.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = PdfReader(path, strict=False)
    if reader.is_encrypted:
        # The empty password opens what only restricts printing and copying.
        reader.decrypt(password or "")
    return reader


def _metadata(reader: Any, _ends: float) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in (reader.metadata or {}).items():
        with contextlib.suppress(Exception):  # one entry that cannot be decoded
            words = str(value).strip()[:_LONGEST]
            if words and len(found) < _MOST_METADATA:
                found[str(key).lstrip("/").lower()[:100]] = words
    return found


def _outline(reader: Any, ends: float) -> list[dict[str, Any]]:
    numbers: dict[int, int] = {}
    entries: list[dict[str, Any]] = []

    def page_of(destination: Any) -> int | None:
        with contextlib.suppress(Exception):  # it leads nowhere, or to a page that is damaged
            if not numbers:
                for number, page in enumerate(reader.pages, 1):
                    if page.indirect_reference is not None:
                        numbers[page.indirect_reference.idnum] = number
                    if time.monotonic() >= ends:
                        break
            return numbers.get(destination.page.idnum)
        return None

    def walk(items: Any, level: int) -> None:
        for item in items:
            if len(entries) >= _MOST_ENTRIES or time.monotonic() >= ends:
                return
            if isinstance(item, list):
                if level < _MOST_DEPTH:
                    walk(item, level + 1)
                continue
            title = " ".join(str(item.title).split())[:_LONGEST]
            entries.append({"level": level, "title": title, "page": page_of(item)})

    walk(reader.outline, 1)
    return entries


def _short(error: BaseException) -> str:
    words = error.message if isinstance(error, PitcheyError) else f"{type(error).__name__}: {error}"
    return words[:200]
