"""PowerPoint decks: python-pptx opens the package, and the parsed slides are walked shape by shape."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any, Final

from pptx.package import Package
from pptx.parts.chart import ChartPart
from pptx.parts.presentation import PresentationPart
from pptx.parts.slide import NotesSlidePart, SlideLayoutPart, SlidePart

from pitchey_core.errors import InputError
from pitchey_document.office.charts import chart_rows
from pitchey_document.office.content import Content
from pitchey_document.office.markup import Element, local, parse_part

__all__ = ["read_pptx"]

_TITLES: Final = frozenset({"title", "ctrTitle"})
# What repeats on every slide.
_FURNITURE: Final = frozenset({"dt", "ftr"})
_SLIDE_NUMBER: Final = "sldNum"
# Their paragraphs are list items unless the layout or the paragraph itself takes the bullet away.
_BULLETED: Final = frozenset({"", "obj", "body"})
_RELATIONSHIPS: Final = (
    "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}",
    "{http://purl.oclc.org/ooxml/officeDocument/relationships}",
)


def read_pptx(path: str, _archive: zipfile.ZipFile, content: Content) -> None:
    """Fill in a section for each slide, in the order of the show; shapes stand in the order of their slide.

    Raises:
        InputError: There is no presentation in it.
    """
    package = Package.open(path)
    main = next((part for part in package.iter_parts() if isinstance(part, PresentationPart)), None)
    if main is None:
        raise InputError(
            f"{path.rpartition('/')[2]} has no presentation in it",
            remedy="save it once more in PowerPoint as .pptx",
        )
    slides = _targets(main)
    layouts: dict[str, dict[str, frozenset[int]]] = {}
    for entry in main.presentation.element.iterfind(".//{*}sldIdLst/{*}sldId"):
        part = slides.get(_relation(entry, "id"))
        if content.full:
            return
        if isinstance(part, SlidePart):
            _Slide(part, content, layouts).read()


class _Slide:
    def __init__(
        self, part: SlidePart, content: Content, layouts: dict[str, dict[str, frozenset[int]]]
    ) -> None:
        self._targets = _targets(part)
        self._root: Element = part.slide.element
        self._content = content
        self._bare = _without_bullets(self._targets, layouts)

    def read(self) -> None:
        content = self._content
        shapes = list(self._shapes(self._root))
        title = next((each for each in shapes if _placeholder(each)[0] in _TITLES), None)
        text = "" if title is None else " ".join(" ".join(each for each, *_ in _paragraphs(title)).split())
        content.section("slide", title=text or None, hidden=self._root.get("show") in {"0", "false"})
        for shape in shapes:
            if shape is not title and not content.full:
                self._shape(shape)
        notes = next((each for each in self._targets.values() if isinstance(each, NotesSlidePart)), None)
        if notes is not None:
            content.notes(_notes(notes.notes_slide.element))

    def _shapes(self, parent: Element) -> Iterator[Element]:
        """Those in groups too."""
        for child in parent.iterchildren("*"):
            name = local(child.tag)
            if name in {"sp", "pic", "graphicFrame", "cxnSp"}:
                yield child
            elif name in {"cSld", "spTree", "grpSp", "AlternateContent", "Choice"}:
                yield from self._shapes(child)

    def _shape(self, shape: Element) -> None:
        kind, index = _placeholder(shape)
        name = local(shape.tag)
        if kind == _SLIDE_NUMBER:
            return
        if name == "graphicFrame":
            self._frame(shape)
        elif name == "pic":
            self._content.picture(_description(shape))
        elif kind in _FURNITURE:
            self._content.paragraph("\n".join(text for text, *_ in _paragraphs(shape)), role="footer")
        else:
            bare = self._bare.get(index, frozenset()) if kind in _BULLETED else None
            for text, level, bullet in _paragraphs(shape):
                if bullet is None:
                    bullet = "none" if bare is None or level in bare else "char"
                if bullet == "none" and not level:
                    self._content.paragraph(text)
                else:
                    self._content.item(text, depth=level, ordered=bullet == "number")

    def _frame(self, frame: Element) -> None:
        for child in frame.iter("{*}tbl", "{*}chart", "{*}relIds"):
            match local(child.tag):
                case "tbl":
                    self._content.table(_rows(child))
                case "chart":
                    part = self._targets.get(_relation(child, "id"))
                    if isinstance(part, ChartPart):
                        title, rows = chart_rows(part.chart.element)
                        self._content.paragraph(title)
                        self._content.table(rows)
                case "relIds":
                    self._diagram(self._targets.get(_relation(child, "dm")))

    def _diagram(self, part: Any) -> None:
        """The words of a SmartArt, without its arrows."""
        if part is not None:
            root = parse_part(part.blob, str(part.partname))
            for point in root.iterfind(".//{*}pt"):
                for text, *_ in _paragraphs(point):
                    self._content.item(text, depth=0, ordered=False)


def _targets(part: Any) -> dict[str, Any]:
    """Parts by relationship id."""
    return {key: each.target_part for key, each in part.rels.items() if not each.is_external}


def _relation(element: Element, name: str) -> str:
    return next((value for space in _RELATIONSHIPS if (value := element.get(space + name))), "")


def _without_bullets(
    targets: dict[str, Any], layouts: dict[str, dict[str, frozenset[int]]]
) -> dict[str, frozenset[int]]:
    """Levels at which the slide's layout shows no bullet, by placeholder."""
    layout = next((each for each in targets.values() if isinstance(each, SlideLayoutPart)), None)
    if layout is None:
        return {}
    key = str(layout.partname)
    if key not in layouts:
        layouts[key] = {
            _placeholder(shape)[1]: frozenset(
                int(local(level.tag)[3:4]) - 1
                for style in shape.iterfind("{*}txBody/{*}lstStyle")
                for level in style.iterchildren("*")
                if local(level.tag)[3:4].isdigit() and next(level.iterchildren("{*}buNone"), None) is not None
            )
            for shape in layout.slide_layout.element.iterfind(".//{*}sp")
        }
    return layouts[key]


def _placeholder(shape: Element) -> tuple[str | None, str]:
    """Its kind (``None``: it is no placeholder) and its number."""
    for properties in shape.iterchildren("{*}nvSpPr", "{*}nvPicPr", "{*}nvGraphicFramePr"):
        for each in properties.iterfind("{*}nvPr/{*}ph"):
            return each.get("type", ""), each.get("idx", "")
    return None, ""


def _description(shape: Element) -> str:
    for properties in shape.iterchildren("{*}nvPicPr"):
        for each in properties.iterchildren("{*}cNvPr"):
            return each.get("descr") or ""
    return ""


def _paragraphs(shape: Element) -> Iterator[tuple[str, int, str | None]]:
    """Text, level and bullet (``none``, ``char``, ``number``; ``None``: inherited) of what is not empty."""
    for paragraph in shape.iter("{*}p"):
        text, level, bullet = "", 0, None
        for child in paragraph.iterchildren("*"):
            name = local(child.tag)
            if name == "pPr":
                level, bullet = _list_place(child)
            elif name == "br":
                text += "\n"
            elif name != "endParaRPr":
                text += "".join(each.text or "" for each in child.iter("{*}t"))
        if text.strip():
            yield text.strip(), level, bullet


def _list_place(properties: Element) -> tuple[int, str | None]:
    level = properties.get("lvl", "0")
    bullet = None
    for child in properties.iterchildren("*"):
        bullet = {"buNone": "none", "buChar": "char", "buBlip": "char", "buAutoNum": "number"}.get(
            local(child.tag), bullet
        )
    return int(level) if level in set("012345678") else 0, bullet


def _rows(table: Element) -> Iterator[list[str]]:
    """A merged cell's text stands in its first place."""
    for row in table.iterchildren("{*}tr"):
        cells = []
        for cell in row.iterchildren("{*}tc"):
            covered = cell.get("hMerge") in {"1", "true"} or cell.get("vMerge") in {"1", "true"}
            cells.append("" if covered else "\n".join(text for text, *_ in _paragraphs(cell)))
        yield cells


def _notes(root: Element) -> str:
    """The notes themselves, without the slide's picture, header, date and number."""
    for shape in root.iterfind(".//{*}sp"):
        if _placeholder(shape)[0] == "body":
            return "\n".join(text for text, *_ in _paragraphs(shape))
    return ""
