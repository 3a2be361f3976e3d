"""PowerPoint decks: slides, and what belongs to them, are read from the checked package as they come.

python-pptx parses every layout, master and theme and loads every picture first, which costs more than all the rest.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Final

from pitchey_core.errors import InputError
from pitchey_document.office.charts import chart_rows
from pitchey_document.office.content import Content
from pitchey_document.office.markup import Element, Relationship, local, read_part, relationships

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


_Layouts = dict[str, dict[str, frozenset[int]]]


def read_pptx(path: str, archive: zipfile.ZipFile, content: Content) -> None:
    """Fill in a section for each slide, in the order of the show; shapes stand in the order of their slide.

    Raises:
        InputError: There is no presentation in it.
    """
    main = next((each.target for each in relationships(archive, "") if each.type == "officeDocument"), "")
    root = read_part(archive, main)
    if root is None or local(root.tag) != "presentation":
        raise InputError(
            f"{path.rpartition('/')[2]} has no presentation in it",
            remedy="save it once more in PowerPoint as .pptx",
        )
    slides = {each.id: each for each in relationships(archive, main) if each.type == "slide"}
    layouts: _Layouts = {}
    for entry in root.iterfind("{*}sldIdLst/{*}sldId"):
        found = slides.get(_relation(entry, "id"))
        slide = None if found is None else read_part(archive, found.target)
        if content.full:
            return
        if found is not None and slide is not None:
            _Slide(archive, found.target, slide, content, layouts).read()


class _Slide:
    def __init__(
        self, archive: zipfile.ZipFile, part: str, root: Element, content: Content, layouts: _Layouts
    ) -> None:
        self._archive = archive
        self._root = root
        self._content = content
        self._layouts = layouts
        self._targets = {each.id: each for each in relationships(archive, part) if not each.external}

    def read(self) -> None:
        content = self._content
        shapes = list(self._shapes(self._root))
        title = next((each for each in shapes if _placeholder(each)[0] in _TITLES), None)
        text = "" if title is None else " ".join(" ".join(each for each, *_ in _paragraphs(title)).split())
        content.section("slide", title=text or None, hidden=self._root.get("show") in {"0", "false"})
        for shape in shapes:
            if shape is not title and not content.full:
                self._shape(shape)
        notes = self._part(self._of_type("notesSlide"))
        if notes is not None:
            content.notes(_notes(notes))

    def _of_type(self, name: str) -> Relationship | None:
        return next((each for each in self._targets.values() if each.type == name), None)

    def _part(self, target: Relationship | None) -> Element | None:
        return None if target is None else read_part(self._archive, target.target)

    def _without_bullet(self, index: str) -> frozenset[int]:
        """Levels at which the slide's layout shows no bullet in a placeholder."""
        layout = self._of_type("slideLayout")
        if layout is None:
            return frozenset()
        if layout.target not in self._layouts:
            self._layouts[layout.target] = _without_bullets(self._part(layout))
        return self._layouts[layout.target].get(index, frozenset())

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
            bulleted = kind in _BULLETED
            for text, level, bullet in _paragraphs(shape):
                if bullet is None:
                    bullet = "char" if bulleted and level not in self._without_bullet(index) else "none"
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
                    chart = self._part(self._targets.get(_relation(child, "id")))
                    if chart is not None:
                        title, rows = chart_rows(chart)
                        self._content.paragraph(title)
                        self._content.table(rows)
                case "relIds":
                    self._diagram(self._part(self._targets.get(_relation(child, "dm"))))

    def _diagram(self, root: Element | None) -> None:
        """The words of a SmartArt, without its arrows."""
        for point in () if root is None else root.iterfind(".//{*}pt"):
            for text, *_ in _paragraphs(point):
                self._content.item(text, depth=0, ordered=False)


def _relation(element: Element, name: str) -> str:
    return next((value for space in _RELATIONSHIPS if (value := element.get(space + name))), "")


def _without_bullets(layout: Element | None) -> dict[str, frozenset[int]]:
    """Levels at which a layout shows no bullet, by placeholder."""
    return {
        _placeholder(shape)[1]: frozenset(
            int(local(level.tag)[3:4]) - 1
            for style in shape.iterfind("{*}txBody/{*}lstStyle")
            for level in style.iterchildren("*")
            if local(level.tag)[3:4].isdigit() and next(level.iterchildren("{*}buNone"), None) is not None
        )
        for shape in (() if layout is None else layout.iterfind("{*}cSld/{*}spTree//{*}sp"))
    }


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
