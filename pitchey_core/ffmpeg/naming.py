"""Names as ffmpeg takes them."""

from __future__ import annotations

from pathlib import Path

__all__ = ["file_argument"]


def file_argument(path: Path) -> str:
    """A path as ffmpeg and PyAV take it literally: no name can be an option, a protocol or a pattern."""
    return f"file:{path}"
