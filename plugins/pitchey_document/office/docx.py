"""Word documents: python-docx opens the package, and its parsed parts are walked in document order.

The library's own paragraph and run objects are made anew at each access, which costs more than all the rest.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from typing import Any, Final

from docx.opc.part import Part
from docx.package import Package

from pitchey_core.errors import InputError
from pitchey_document.office.content import Content
from pitchey_document.office.docx_styles import Styles
from pitchey_document.office.markup import Element, local, parse_part
from pitchey_document.structure import BlockRole

__all__ = ["read_docx"]

# Deleted or moved text, field codes, properties, the older of two alternatives, the reading aid over a character.
_SKIPPED: Final = frozenset(
    {
        "del",
        "moveFrom",
        "delText",
        "delInstrText",
        "instrText",
        "pPr",
        "rPr",
        "Fallback",
        "rt",
        "sectPr",
        "tblPr",
    }
)
_BREAKS: Final = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_BOXES: Final = frozenset({"txbxContent"})
# What Word puts into every file that has notes at all.
_SEPARATORS: Final = frozenset({"separator", "continuationSeparator", "continuationNotice"})
_PRIVATE_USE: Final = range(0xE000, 0xF900)


def read_docx(path: str, _archive: zipfile.ZipFile, content: Content) -> None:
    """Fill in the body, text boxes where they are anchored, running headers once, notes and comments.

    Raises:
        InputError: There is no main document in it.
    """
    package = Package.open(path)
    main = _related(package, "officeDocument")
    if main is None:
        raise InputError(
            f"{path.rpartition('/')[2]} has no Word document in it",
            remedy="save it once more in Word as .docx",
        )
    _Reader(main, content).read()


class _Reader:
    def __init__(self, main: Any, content: Content) -> None:
        self._main = main
        self._content = content
        self._styles = Styles(_root(_related(main, "styles")), _root(_related(main, "numbering")))
        self._boxes: list[Element] = []
        self._pictures: list[str] = []

    def read(self) -> None:
        content = self._content
        content.section("body")
        self._furniture("header")
        root = _root(self._main)
        body = None if root is None else next(root.iterchildren("{*}body"), None)
        if body is not None:
            self._blocks(body, "")
        self._furniture("footer")
        kinds: tuple[BlockRole, ...] = ("footnote", "endnote", "comment")
        for kind in kinds:
            notes = _root(_related(self._main, f"{kind}s"))
            for note in () if notes is None else notes.iterchildren("{*}" + kind):
                if _attribute(note, "type") not in _SEPARATORS:
                    self._blocks(note, kind)

    def _furniture(self, kind: BlockRole) -> None:
        """Headers or footers: those of each section mostly say the same."""
        seen: set[str] = set()
        for part in _all_related(self._main, kind):
            root = _root(part)
            text = "" if root is None else "\n".join(filter(None, self._lines(root)))
            if text and text not in seen:
                seen.add(text)
                self._content.paragraph(text, role=kind)

    # -- blocks -------------------------------------------------------------------------------------------------

    def _blocks(self, parent: Element, role: BlockRole) -> None:
        for child in parent.iterchildren("*"):
            if self._content.full:
                return
            match local(child.tag):
                case "p":
                    self._paragraph(child, role)
                case "tbl":
                    self._content.table(self._rows(child), role)
                    self._anchored(role)
                case (
                    "sdt"
                    | "sdtContent"
                    | "ins"
                    | "moveTo"
                    | "customXml"
                    | "smartTag"
                    | "AlternateContent"
                    | "Choice"
                ):
                    self._blocks(child, role)
                case "oMathPara":
                    self._content.paragraph(self._text(child), role)

    def _paragraph(self, paragraph: Element, role: BlockRole) -> None:
        text = self._text(paragraph).strip()
        if text:
            look = self._styles.look(paragraph)
            if look.heading and not role:
                self._content.heading(look.heading, " ".join(text.split()))
            elif look.depth is not None:
                self._content.item(text, depth=look.depth, ordered=look.ordered, role=role)
            else:
                self._content.paragraph(text, role)
        if self._boxes or self._pictures:
            self._anchored(role)

    def _anchored(self, role: BlockRole) -> None:
        """What hung on the paragraph or table before."""
        pictures, self._pictures = self._pictures, []
        for text in pictures:
            self._content.picture(text)
        boxes, self._boxes = self._boxes, []
        for box in boxes:
            self._blocks(box, role)

    # -- tables -------------------------------------------------------------------------------------------------

    def _rows(self, table: Element) -> Iterator[list[str]]:
        """A merged cell's text stands in its first place, and the others are empty."""
        for row in _inside(table, "tr"):
            cells = [""] * _number(row, "trPr", "gridBefore")
            for cell in _inside(row, "tc"):
                properties = next(cell.iterchildren("{*}tcPr"), None)
                span, continues = 1, False
                for each in () if properties is None else properties.iterchildren("*"):
                    name = local(each.tag)
                    if name == "gridSpan":
                        span = _whole(_attribute(each, "val"), 1)
                    elif name == "vMerge":
                        continues = _attribute(each, "val") in {None, "continue"}
                cells.append("" if continues else "\n".join(filter(None, self._lines(cell))))
                # Word itself has 63 columns.
                cells.extend([""] * min(span - 1, 63))
            yield cells

    def _lines(self, parent: Element) -> Iterator[str]:
        """The paragraphs of a cell or header; of a table inside, a line for each row."""
        for child in parent.iterchildren("*"):
            name = local(child.tag)
            if name == "p":
                yield self._text(child).strip()
                boxes, self._boxes = self._boxes, []
                for box in boxes:
                    yield from self._lines(box)
            elif name == "tbl":
                for row in self._rows(child):
                    yield "\t".join(each.replace("\n", " ") for each in row).rstrip()
            elif name not in _SKIPPED and name != "tcPr":
                yield from self._lines(child)

    # -- text ---------------------------------------------------------------------------------------------------

    def _text(self, paragraph: Element) -> str:
        out: list[str] = []
        self._inline(paragraph, out)
        return "".join(out)

    def _inline(self, parent: Element, out: list[str]) -> None:
        for child in parent.iterchildren("*"):
            name = local(child.tag)
            if name == "t":
                out.append(child.text or "")
            elif name in _SKIPPED:
                continue
            elif name in _BREAKS:
                out.append(_BREAKS[name])
            elif name == "sym":
                out.append(_symbol(child))
            elif name in _BOXES:
                self._boxes.append(child)
            else:
                if name == "docPr" or name == "imagedata":
                    self._pictures.append(child.get("descr") or _attribute(child, "title") or "")
                self._inline(child, out)


def _related(source: Any, reltype: str) -> Part | None:
    return next(_all_related(source, reltype), None)


def _all_related(source: Any, reltype: str) -> Iterator[Part]:
    """Parts by the last word of the relationship's type: it is the same in strict and in usual files."""
    for each in source.rels.values():
        if not each.is_external and each.reltype.endswith("/" + reltype):
            yield each.target_part


def _root(part: Part | None) -> Element | None:
    if part is None:
        return None
    parsed = getattr(part, "element", None)
    # python-docx parses the parts that it knows; templates and files with macros are none of them.
    return parse_part(part.blob, str(part.partname)) if parsed is None else parsed


def _inside(parent: Element, name: str) -> Iterator[Element]:
    """Rows or cells, also those in content controls and tracked insertions."""
    for child in parent.iterchildren("*"):
        found = local(child.tag)
        if found == name:
            yield child
        elif found in {"sdt", "sdtContent", "ins", "customXml"}:
            yield from _inside(child, name)


def _attribute(element: Element, name: str) -> str | None:
    """An attribute in the namespace of its element, or in none."""
    tag: str = element.tag
    found: str | None = element.get(tag[: tag.find("}") + 1] + name)
    return element.get(name) if found is None else found


def _number(element: Element, *names: str) -> int:
    for name in names:
        found: Iterable[Element] = element.iterchildren("{*}" + name)
        element = next(iter(found), None)
        if element is None:
            return 0
    return min(_whole(_attribute(element, "val"), 0), 63)


def _whole(text: str | None, default: int) -> int:
    try:
        return int(text or default)
    except ValueError:
        return default


def _symbol(element: Element) -> str:
    """A character by its number; the private ones mean nothing without their font."""
    try:
        code = int(_attribute(element, "char") or "", 16)
        return "" if code in _PRIVATE_USE else chr(code)
    except (ValueError, OverflowError):
        return ""
