"""OpenDocument text, presentations and spreadsheets: one XML part each, walked in document order."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Final

from pitchey_core.errors import InputError
from pitchey_document.office.content import Content
from pitchey_document.office.markup import Element, local, read_part
from pitchey_document.structure import BlockRole

__all__ = ["OdfText", "read_odp", "read_odt"]

# Deletions that are still on record, fields' descriptions, the reading aid over a character, marks.
_SKIPPED: Final = frozenset(
    {
        "tracked-changes",
        "deletion",
        "ruby-text",
        "sequence-decls",
        "forms",
        "variable-decls",
        "event-listeners",
    }
)
_CONTAINERS: Final = frozenset(
    {
        "section", "index-body", "index-title", "table-of-content", "illustration-index", "table-index",
        "object-index", "user-index", "alphabetical-index", "bibliography", "numbered-paragraph", "soft-page-break",
        "text-box", "frame", "custom-shape", "g", "a", "rect", "shape-group", "circle", "ellipse", "path", "polygon",
        "line", "connector", "caption", "list-header",
    }
)  # fmt: skip
_MOST_REPEATED: Final = 1000


def read_odt(path: str, archive: zipfile.ZipFile, content: Content) -> None:
    """Fill in the body of a text document, running headers once, and its notes.

    Raises:
        InputError: There is no text document in it.
    """
    root, styles = _root(archive, path), read_part(archive, "styles.xml")
    text = root.find("{*}body/{*}text")
    if text is None:
        raise InputError(f"{_base(path)} has no text document in it", remedy="save it once more as .odt")
    content.section("body")
    reader = OdfText(content, _bulleted_lists(root, styles), _titles(root))
    furniture = {"header": "", "footer": ""} if styles is None else _furniture(styles, reader)
    content.paragraph(furniture["header"], role="header")
    reader.blocks(text)
    content.paragraph(furniture["footer"], role="footer")
    reader.late()


def read_odp(path: str, archive: zipfile.ZipFile, content: Content) -> None:
    """Fill in a section for each slide, with its notes.

    Raises:
        InputError: There is no presentation in it.
    """
    root, styles = _root(archive, path), read_part(archive, "styles.xml")
    slides = root.find("{*}body/{*}presentation")
    if slides is None:
        raise InputError(f"{_base(path)} has no presentation in it", remedy="save it once more as .odp")
    hidden = {
        _attribute(style, "name")
        for style in root.iterfind("{*}automatic-styles/{*}style")
        for look in style.iterchildren("{*}drawing-page-properties")
        if _attribute(look, "visibility") == "hidden"
    }
    reader = OdfText(content, _bulleted_lists(root, styles))
    for slide in slides.iterchildren("{*}page"):
        if content.full:
            return
        title = next((each for each in slide.iterchildren("*") if _attribute(each, "class") == "title"), None)
        words = "" if title is None else " ".join(" ".join(reader.lines(title)).split())
        content.section("slide", title=words or None, hidden=_attribute(slide, "style-name") in hidden)
        for child in slide.iterchildren("*"):
            name = local(child.tag)
            if name == "notes":
                boxes = [each for each in child.iterchildren("*") if _attribute(each, "class") == "notes"]
                content.notes("\n".join(filter(None, (line for box in boxes for line in reader.lines(box)))))
            elif child is not title:
                reader.block(child)
        reader.late()


class OdfText:
    """Turns text content into blocks.

    Args:
        content: Takes the blocks.
        bulleted: Names of lists and their levels (from 1) that have bullets rather than numbers.
        titles: Names of styles that make a paragraph the document's title.
    """

    def __init__(
        self,
        content: Content,
        bulleted: frozenset[tuple[str, int]],
        titles: frozenset[str | None] = frozenset(),
    ) -> None:
        self._content = content
        self._titles = titles
        self._bulleted = bulleted
        self._notes: list[tuple[BlockRole, str]] = []
        self._anchored: list[Element] = []

    def blocks(self, parent: Element) -> None:
        """What is inside of an element, in document order."""
        for child in parent.iterchildren("*"):
            if self._content.full:
                return
            self.block(child)

    def block(self, element: Element) -> None:
        """One element and what is inside of it."""
        name = local(element.tag)
        if name == "h":
            level = _attribute(element, "outline-level") or "1"
            self._content.heading(
                int(level) if level.isdecimal() else 1, " ".join(self.text(element).split())
            )
            self._flush()
        elif name == "p":
            text = self.text(element).strip()
            if _attribute(element, "style-name") in self._titles:
                self._content.heading(1, text)
            else:
                self._content.paragraph(text)
            self._flush()
        elif name == "list":
            self._list(element, 1, None)
        elif name == "table":
            self._content.table(self.rows(element))
            self._flush()
        elif name in _CONTAINERS:
            if name in {"frame", "custom-shape"}:
                self._content.picture(" ".join((element.findtext("{*}desc") or "").split()))
            self.blocks(element)

    def late(self) -> None:
        """Add the notes met so far."""
        notes, self._notes = self._notes, []
        for role, text in notes:
            self._content.paragraph(text, role)

    def _flush(self) -> None:
        """Frames that hung on the paragraph before."""
        frames, self._anchored = self._anchored, []
        for frame in frames:
            self.block(frame)

    def _list(self, element: Element, depth: int, style: str | None) -> None:
        style = _attribute(element, "style-name") or style
        ordered = style is not None and (style, depth) not in self._bulleted
        for item in element.iterchildren("{*}list-item", "{*}list-header"):
            first = True
            for child in item.iterchildren("*"):
                name = local(child.tag)
                if name == "list":
                    self._list(child, depth + 1, style)
                elif name == "p" and first:
                    first = False
                    self._content.item(self.text(child).strip(), depth=depth - 1, ordered=ordered)
                    self._flush()
                else:
                    self.block(child)

    def rows(self, table: Element) -> Iterator[list[str]]:
        """Of a table in text; covered cells are empty."""
        for row in table.iterchildren("*"):
            name = local(row.tag)
            if name in {"table-header-rows", "table-rows", "table-row-group"}:
                yield from self.rows(row)
            elif name == "table-row":
                cells: list[str] = []
                for cell in row.iterchildren("{*}table-cell", "{*}covered-table-cell"):
                    text = "\n".join(filter(None, self.lines(cell)))
                    cells += [text] * repeated(cell, "number-columns-repeated", _MOST_REPEATED)
                while cells and not cells[-1] and len(cells) > _MOST_REPEATED // 2:
                    cells.pop()
                for _ in range(repeated(row, "number-rows-repeated", _MOST_REPEATED)):
                    yield cells

    def lines(self, parent: Element) -> Iterator[str]:
        """The paragraphs of a cell, frame or header."""
        for child in parent.iterchildren("*"):
            name = local(child.tag)
            if name in {"p", "h"}:
                yield self.text(child).strip()
                frames, self._anchored = self._anchored, []
                for frame in frames:
                    yield from self.lines(frame)
            elif name == "table":
                for row in self.rows(child):
                    yield "\t".join(each.replace("\n", " ") for each in row).rstrip()
            elif name not in _SKIPPED and name != "annotation":
                yield from self.lines(child)

    def text(self, paragraph: Element) -> str:
        """Of a paragraph or heading; white space counts as the format says, notes are put aside."""
        out: list[str] = []
        self._inline(paragraph, out)
        return "".join(out)

    def _inline(self, parent: Element, out: list[str]) -> None:
        _append(out, parent.text)
        for child in parent.iterchildren("*"):
            name = local(child.tag)
            if name == "s":
                out.append(" " * repeated(child, "c", _MOST_REPEATED))
            elif name == "tab":
                out.append("\t")
            elif name == "line-break":
                out.append("\n")
            elif name == "note":
                role: BlockRole = "endnote" if _attribute(child, "note-class") == "endnote" else "footnote"
                body = child.find("{*}note-body")
                if body is not None:
                    self._notes.append((role, "\n".join(self.lines(body))))
            elif name == "annotation":
                self._notes.append(("comment", "\n".join(self.lines(child))))
            elif name in {"frame", "custom-shape", "g", "rect"}:
                self._anchored.append(child)
            elif name not in _SKIPPED:
                self._inline(child, out)
            _append(out, child.tail)


def repeated(element: Element, name: str, most: int) -> int:
    """How often an element stands for itself, at least once."""
    given = _attribute(element, name) or "1"
    return max(1, min(int(given[:9]), most)) if given.isdecimal() else 1


def _append(out: list[str], text: str | None) -> None:
    """Text with white space collapsed, also where it meets what is there already."""
    if not text:
        return
    collapsed = " ".join(text.split())
    if not collapsed:
        collapsed = " "
    else:
        collapsed = (" " if text[0].isspace() else "") + collapsed + (" " if text[-1].isspace() else "")
    if collapsed[0] == " " and (not out or out[-1][-1:] in {" ", "\n", "\t"}):
        collapsed = collapsed[1:]
    if collapsed:
        out.append(collapsed)


def _root(archive: zipfile.ZipFile, path: str) -> Element:
    root = read_part(archive, "content.xml")
    if root is None:
        raise InputError(
            f"{_base(path)} is no OpenDocument file: it has no content.xml", remedy="save it once more"
        )
    return root


def _bulleted_lists(*roots: Element | None) -> frozenset[tuple[str, int]]:
    found = set()
    for root in roots:
        for style in () if root is None else root.iter("{*}list-style"):
            for level in style.iterchildren("*"):
                number = _attribute(level, "level") or ""
                if local(level.tag) != "list-level-style-number" or not _attribute(level, "num-format"):
                    found.add((_attribute(style, "name") or "", int(number[:3]) if number.isdecimal() else 0))
    return frozenset(found)


def _titles(root: Element) -> frozenset[str | None]:
    """The built-in style and what is derived from it on the spot."""
    automatic = root.iterfind("{*}automatic-styles/{*}style")
    derived = {
        _attribute(each, "name") for each in automatic if _attribute(each, "parent-style-name") == "Title"
    }
    return frozenset({"Title", *derived})


def _furniture(styles: Element, reader: OdfText) -> dict[str, str]:
    """Headers and footers of all page styles, each text once."""
    found: dict[str, dict[str, None]] = {"header": {}, "footer": {}}
    for each in styles.iterfind("{*}master-styles/{*}master-page/*"):
        for kind, texts in found.items():
            if local(each.tag).startswith(kind):
                texts["\n".join(filter(None, reader.lines(each)))] = None
    return {kind: "\n".join(filter(None, texts)) for kind, texts in found.items()}


def _attribute(element: Element, name: str) -> str | None:
    """By local name: the same attribute is in the namespaces of text, table, draw and presentation."""
    return next((value for key, value in element.items() if local(key) == name), None)


def _base(path: str) -> str:
    return path.rpartition("/")[2]
