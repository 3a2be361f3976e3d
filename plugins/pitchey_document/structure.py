"""What a document says, as sections of blocks: the common form that every reader fills and every text output reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal

__all__ = ["Block", "BlockKind", "BlockRole", "Section", "SectionKind", "Structure"]

BlockKind = Literal["heading", "paragraph", "item", "table", "picture"]
BlockRole = Literal["", "header", "footer", "footnote", "endnote", "comment"]
SectionKind = Literal["body", "page", "slide", "sheet"]


@dataclass(slots=True)
class Block:
    """One piece of content.

    Attributes:
        text: Its words; of a table none, of a picture its alternative text.
        level: Of a heading 1 to 6; of a list item its depth from 0.
        ordered: Whether a list item is numbered.
        rows: Of a table, cell by cell. The first row is taken for its head where a format needs one.
        role: What it is beside the body: a running header, a note, a comment; empty for the body itself.
    """

    kind: BlockKind
    text: str = ""
    level: int = 0
    ordered: bool = False
    rows: list[list[str]] = field(default_factory=list)
    role: BlockRole = ""


@dataclass(slots=True)
class Section:
    """A page, a slide, a sheet, or the whole body of a text document.

    Attributes:
        number: From 1.
        title: Of a slide or sheet; ``None`` where there is none.
        notes: Speaker's notes of a slide.
        cells: The used range of a sheet, for example ``A1:D20``.
        hidden: Whether an application would hide it.
    """

    kind: SectionKind
    number: int
    title: str | None = None
    blocks: list[Block] = field(default_factory=list)
    notes: str | None = None
    cells: str | None = None
    hidden: bool = False


@dataclass(slots=True)
class Structure:
    """A whole document.

    Attributes:
        metadata: Title, author, dates and so on, by lower-case name.
    """

    sections: list[Section] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)

    def blocks(self) -> Iterator[Block]:
        for section in self.sections:
            yield from section.blocks

    def as_record(self) -> dict[str, Any]:
        """As JSON data; what is empty or false is left out of blocks and sections."""
        return {
            "metadata": dict(self.metadata),
            "sections": [
                {**_filled(section), "blocks": [_filled(block) for block in section.blocks]}
                for section in self.sections
            ],
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Structure:
        sections = [
            Section(**{**each, "blocks": [Block(**block) for block in each["blocks"]]})
            for each in record["sections"]
        ]
        return cls(sections, dict(record["metadata"]))


def _filled(part: Block | Section) -> dict[str, Any]:
    values = ((each.name, getattr(part, each.name)) for each in fields(part) if each.name != "blocks")
    return {name: value for name, value in values if value}
