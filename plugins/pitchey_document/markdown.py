"""A document's structure as GitHub-flavoured Markdown and as plain text, in time linear in its size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from pitchey_document.structure import Block, Section, Structure

__all__ = ["to_markdown", "to_text"]

# What means something anywhere in a line; an underscore does so only at the edge of a word.
_INLINE: Final = re.compile(r"[\\`*\[\]<>|~]|(?<!\w)_|_(?!\w)|&(?=[#\w]{1,32};)")
# What would begin a heading, a quote, a list or a rule.
_LINE_START: Final = re.compile(
    r"^(\s{0,8})(#{1,6}(?=\s|$)|[-+](?=\s|$)|[-=]{3,}|\d{1,9}(?=[.)](?:\s|$)))", re.MULTILINE
)
_QUOTED: Final = frozenset({"footnote", "endnote", "comment"})
_INDENT: Final = {True: "   ", False: "  "}
_DEEPEST: Final = 12


def to_markdown(structure: Structure) -> str:
    """Headings, lists, pipe tables; slides and sheets become sections with a heading, notes become quotes.

    Text is escaped, so that none of it is taken for markup. Line breaks within a paragraph are hard ones.
    """
    return _joined(_markdown_section(section) for section in structure.sections)


def to_text(structure: Structure) -> str:
    """The words alone: a line for each paragraph, a tab between cells, a blank line between blocks."""
    return _joined(_text_section(section) for section in structure.sections)


def _joined(sections: Iterable[Iterator[str]]) -> str:
    text = "\n\n".join(part for section in sections for part in section if part)
    return text + "\n" if text else ""


def _markdown_section(section: Section) -> Iterator[str]:
    name = section_name(section)
    if name:
        yield f"## {_escaped(name)}"
    yield from _blocks(section.blocks, _markdown_block, _markdown_item)
    if section.notes:
        yield _quoted(f"Notes: {section.notes}")


def _text_section(section: Section) -> Iterator[str]:
    yield section_name(section)
    yield from _blocks(section.blocks, _text_block, _text_item)
    yield section.notes or ""


def section_name(section: Section) -> str:
    """How a section is headed: a slide by its number and title, a sheet by its name; pages and bodies are not."""
    hidden = " (hidden)" if section.hidden else ""
    if section.kind == "slide":
        return f"Slide {section.number}{hidden}" + (f": {section.title}" if section.title else "")
    return f"{section.title}{hidden}" if section.title else ""


def _blocks(
    blocks: list[Block], render: Callable[[Block], str], render_item: Callable[[Block, str, int], str]
) -> Iterator[str]:
    """Blocks, with the items of a list held together in one."""
    items: list[str] = []
    # For each open depth: what a line below that item is indented by, and its last number.
    open_levels: list[tuple[str, bool, int]] = []
    for block in blocks:
        if block.kind != "item":
            if items:
                yield "\n".join(items)
                items.clear()
            open_levels.clear()
            yield render(block)
            continue
        depth = min(block.level, len(open_levels), _DEEPEST)
        number = 1
        if depth < len(open_levels):
            _, was_ordered, last = open_levels[depth]
            number = last + 1 if was_ordered == block.ordered else 1
        indent = "".join(_INDENT[ordered] for _, ordered, _ in open_levels[:depth])
        del open_levels[depth:]
        open_levels.append((indent, block.ordered, number))
        items.append(render_item(block, indent, number))
    if items:
        yield "\n".join(items)


def _markdown_block(block: Block) -> str:
    match block.kind:
        case "heading":
            return f"{'#' * min(max(block.level, 1), 6)} {_escaped(' '.join(block.text.split()))}"
        case "picture":
            return f"![{_escaped(' '.join(block.text.split()))}]()"
        case "table":
            return _markdown_table(block.rows)
        case _:
            return _quoted(block.text) if block.role in _QUOTED else _hard_breaks(_escaped(block.text))


def _markdown_item(block: Block, indent: str, number: int) -> str:
    mark = f"{number}. " if block.ordered else "- "
    within = "\n" + indent + _INDENT[block.ordered]
    return indent + mark + _hard_breaks(_escaped(block.text)).replace("\n", within)


def _markdown_table(rows: list[list[str]]) -> str:
    width = max(map(len, rows), default=0)
    if not width:
        return ""
    # Only the header has to be as wide as the widest row: shorter ones are filled up by whoever reads them (GFM 4.10),
    # and would be the square of the table's size if they were filled up here.
    header = _markdown_row(rows[0]) + "  |" * (width - len(rows[0]))
    return "\n".join([header, "|" + " --- |" * width, *map(_markdown_row, rows[1:])])


def _markdown_row(row: list[str]) -> str:
    # Most cells hold nothing to escape; one look at the whole row tells.
    joined = " | ".join(row)
    if _INLINE.search("".join(row)) is None and "\n" not in joined and "\r" not in joined:
        return f"| {joined} |"
    cells = [_escaped_inline(each).replace("\r", "").replace("\n", "<br>") for each in row]
    return f"| {' | '.join(cells)} |"


def _quoted(text: str) -> str:
    return "> " + _hard_breaks(_escaped(text)).replace("\n", "\n> ")


def _hard_breaks(text: str) -> str:
    return text.replace("\n", "  \n") if "\n" in text else text


def _escaped(text: str) -> str:
    return _LINE_START.sub(_escape_start, _escaped_inline(text))


def _escaped_inline(text: str) -> str:
    return _INLINE.sub(r"\\\g<0>", text)


def _escape_start(found: re.Match[str]) -> str:
    space, mark = found.groups()
    # A number is defused behind it: a backslash before a digit would be shown.
    return f"{space.lstrip()}{mark}\\" if mark.isdigit() else f"{space.lstrip()}\\{mark}"


def _text_block(block: Block) -> str:
    if block.kind == "table":
        return "\n".join("\t".join(" ".join(each.split()) for each in row).rstrip("\t") for row in block.rows)
    return block.text


def _text_item(block: Block, indent: str, number: int) -> str:
    mark = f"{number}. " if block.ordered else "- "
    return indent + mark + block.text
