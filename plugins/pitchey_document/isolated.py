"""Functions that run in isolated processes; imported there, this module costs next to nothing."""

from __future__ import annotations

import json
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from pitchey_core.errors import InputError, ToolFailed

__all__ = ["count_pages", "pages_of_conversion", "parse_to_file", "picture_to_pdf"]


def count_pages(path: str, kind: str, most_pixels: int) -> int:
    """Number of pages of a PDF without a password, or of frames of a picture.

    Raises:
        InputError: It is damaged.
        LimitExceeded: A picture is larger than ``most_pixels``.
    """
    from pitchey_document.pages.sources import open_pages

    return len(open_pages(path, kind, password=None, most_pixels=most_pixels))


def pages_of_conversion(path: str, name: str) -> int:
    """Number of pages of the PDF that LibreOffice has just made of ``name``.

    Raises:
        InputError: There are none.
        ToolFailed: It is no PDF.
    """
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(path) as document:
            pages = len(document)
    except pypdfium2.PdfiumError as error:
        raise ToolFailed(
            f"LibreOffice made a file of {name} that is no PDF ({error})",
            tool="soffice",
            remedy="try another version of LibreOffice",
        ) from error
    if not pages:
        raise InputError(f"{name} has no page to print", remedy="check that there is something in it")
    return pages


def picture_to_pdf(path: str, readings: dict[str, Any], target: str) -> list[int]:
    """Write one picture, or each frame of one, as the pages of a PDF, with what was recognised on them.

    Returns:
        Numbers of the frames that are damaged and therefore missing.
    """
    from pitchey_document.ocr.searchable import pictures_to_pdf

    missing: list[int] = pictures_to_pdf([path], readings, target)["missing"]
    return missing


def parse_to_file(reader: str, target: str, *args: Any) -> dict[str, Any]:
    """Call a reader and write what it says to a file: an answer through the pipe may not be that long.

    Args:
        reader: ``module:function``.

    Returns:
        What the reader returned, but for ``structure`` and ``text``, which stand in the file.
    """
    found: dict[str, Any] = resolve_name(reader)(*args)
    content = {key: found.pop(key) for key in ("structure", "text") if key in found}
    with Path(target).open("w", encoding="utf-8") as file:
        json.dump(content, file)
    return found
