"""Collects what a reader finds, up to a limit, and remembers what had to be left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pitchey_document.structure import Block, BlockRole, Section, SectionKind, Structure

__all__ = ["Content", "ContentLimits"]

_DEEPEST_HEADING: Final = 6


@dataclass(frozen=True, slots=True)
class ContentLimits:
    """How much of a document is kept. Together they keep the answer below the 64 MiB of an isolated call.

    Attributes:
        characters: Of text, in units of UTF-16 (six bytes of JSON at worst). A novel has half a million.
        cells: Of all tables and sheets.
        blocks: Headings, paragraphs, list items, tables, pictures.
        rows: Of one sheet or table.
        sections: Slides or sheets.
    """

    characters: int = 5_000_000
    cells: int = 1_000_000
    blocks: int = 150_000
    rows: int = 200_000
    sections: int = 5_000


class Content:
    """A structure in the making.

    Attributes:
        structure: What was collected.
        warnings: What is missing, and why; in the words of the person who reads them.
        full: Whether a limit was hit. Whatever is added then is dropped, so that a reader may as well stop.
    """

    def __init__(self, limits: ContentLimits) -> None:
        self.limits = limits
        self.structure = Structure()
        self.warnings: list[str] = []
        self.full = False
        self._characters = limits.characters
        self._cells = limits.cells
        self._blocks = limits.blocks

    def section(
        self, kind: SectionKind, *, title: str | None = None, hidden: bool = False, cells: str | None = None
    ) -> Section:
        """Begin a section; what is added from now on goes into it."""
        number = len(self.structure.sections) + 1
        section = Section(kind, number, title=title, hidden=hidden, cells=cells)
        if number > self.limits.sections:
            self._stop(f"only the first {self.limits.sections:,} {kind}s were read")
            return section
        if title:
            self._take(title)
        self.structure.sections.append(section)
        return section

    def heading(self, level: int, text: str) -> None:
        """Add a heading; levels below the sixth are of the sixth."""
        self._add(Block("heading", text, level=min(max(level, 1), _DEEPEST_HEADING)))

    def paragraph(self, text: str, role: BlockRole = "") -> None:
        self._add(Block("paragraph", text, role=role))

    def item(self, text: str, *, depth: int, ordered: bool, role: BlockRole = "") -> None:
        self._add(Block("item", text, level=max(depth, 0), ordered=ordered, role=role))

    def picture(self, text: str) -> None:
        """Add a picture by its alternative text."""
        self._add(Block("picture", text))

    def table(self, rows: Iterable[Sequence[str]], role: BlockRole = "") -> None:
        """Add a table; rows beyond the limits are left out."""
        if self.full:
            return
        kept: list[list[str]] = []
        for row in rows:
            if len(kept) == self.limits.rows:
                self.warn(f"only the first {self.limits.rows:,} rows of a table were read")
                break
            self._cells -= len(row)
            self._characters -= sum(map(_units, row))
            if self._cells < 0 or self._characters < 0:
                self._stop(self._too_long)
                break
            kept.append(list(row))
        if kept:
            self._place(Block("table", rows=kept, role=role))

    def notes(self, text: str) -> None:
        """Set the notes of the current section."""
        if not self.full and text and self._take(text):
            self.structure.sections[-1].notes = text

    def warn(self, words: str) -> None:
        """Say, once, that something is missing."""
        if words not in self.warnings:
            self.warnings.append(words)

    def _add(self, block: Block) -> None:
        if not self.full and block.text.strip() and self._take(block.text):
            self._place(block)

    def _place(self, block: Block) -> None:
        self._blocks -= 1
        if self._blocks < 0:
            self._stop(f"only the first {self.limits.blocks:,} paragraphs were read")
            return
        self.structure.sections[-1].blocks.append(block)

    def _take(self, text: str) -> bool:
        self._characters -= _units(text)
        if self._characters < 0:
            self._stop(self._too_long)
            return False
        return True

    @property
    def _too_long(self) -> str:
        return (
            f"the document goes on: only its first {self.limits.characters:,} characters "
            f"and {self.limits.cells:,} cells were read"
        )

    def _stop(self, words: str) -> None:
        self.full = True
        self.warn(words)


def _units(text: str) -> int:
    """Two for a character that JSON writes as a pair."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "replace")) // 2
