"""Names of files as a program may be given them."""

from __future__ import annotations

from typing import Final

__all__ = ["LANGUAGES", "check_name", "language_of"]

LANGUAGES: Final = {
    ".py": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".ts": "typescript",
    ".mts": "typescript",
}
"""Language by the suffix of a source file."""

_LONGEST_PART: Final = 255
_LONGEST: Final = 1024


def check_name(name: str) -> None:
    """Refuse what is not a plain relative name.

    Raises:
        ValueError: The name is absolute, empty, too long, or has a part ``..``, ``.`` or a NUL.
    """
    parts = name.split("/")
    if "\0" in name:
        raise ValueError(f"file name {name!r} has a NUL in it")
    if name.startswith("/"):
        raise ValueError(f"file name {name!r} is absolute; names are relative to the program's folder")
    if any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"file name {name!r} has an empty part, '.' or '..'")
    if len(name.encode()) > _LONGEST or any(len(part.encode()) > _LONGEST_PART for part in parts):
        raise ValueError(f"file name {name[:40]!r}… is too long")


def language_of(name: str) -> str | None:
    """The language that the suffix of a path or URL tells."""
    plain = name.partition("?")[0].partition("#")[0].rpartition("/")[2].lower()
    return next((language for suffix, language in LANGUAGES.items() if plain.endswith(suffix)), None)
