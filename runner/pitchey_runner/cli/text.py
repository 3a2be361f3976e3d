"""Text for terminals."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """Text with everything escaped that could move the cursor or change colours; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
