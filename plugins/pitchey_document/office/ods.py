"""OpenDocument spreadsheets, cell by cell from the stream: a repeated cell may stand for a billion."""

from __future__ import annotations

import zipfile
from typing import Any, Final

from lxml import etree

from pitchey_core.errors import InputError
from pitchey_document.office.cells import cell_range, cell_text
from pitchey_document.office.content import Content
from pitchey_document.office.markup import Element, local

__all__ = ["read_ods"]

_MOST_COLUMNS: Final = 16_384
_MOST_ROWS: Final = 2**20
_TABLE: Final = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
_OFFICE: Final = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
_T: Final = f"{{{_TABLE}}}"
_O: Final = f"{{{_OFFICE}}}"
_STYLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"


def read_ods(path: str, archive: zipfile.ZipFile, content: Content) -> None:
    """Fill in a section for each sheet with its used range as one table.

    Raises:
        InputError: There is no spreadsheet in it.
    """
    hidden: set[str] = set()
    sheet: _Sheet | None = None
    found = False
    try:
        part = archive.open("content.xml")
    except KeyError:
        raise InputError(
            f"{path.rpartition('/')[2]} is no OpenDocument file: it has no content.xml",
            remedy="save it once more",
        ) from None
    with part:
        events: Any = etree.iterparse(
            part,
            events=("start", "end"),
            tag=(f"{_T}table", f"{_T}table-row", f"{_STYLE}style", f"{_O}spreadsheet"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
        )
        for event, element in events:
            name = local(element.tag)
            if event == "start":
                found = found or name == "spreadsheet"
                if name == "table" and sheet is None:
                    style = element.get(f"{_T}style-name", "")
                    sheet = _Sheet(content, element.get(f"{_T}name", ""), style in hidden)
            elif name == "style":
                look = element.find(f"{_STYLE}table-properties")
                if look is not None and look.get(f"{_T}display") == "false":
                    hidden.add(element.get(f"{_STYLE}name", ""))
            elif name == "table-row" and sheet is not None:
                sheet.row(element)
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
            elif name == "table" and sheet is not None and element.get(f"{_T}name", "") == sheet.title:
                sheet.end()
                sheet = None
                element.clear()
            if content.full:
                return
    if not found:
        raise InputError(
            f"{path.rpartition('/')[2]} has no spreadsheet in it", remedy="save it once more as .ods"
        )


class _Sheet:
    def __init__(self, content: Content, title: str, hidden: bool) -> None:
        self.title = title
        self._content = content
        self._hidden = hidden
        self._rows: list[tuple[int, dict[int, str]]] = []
        self._at = 0
        self._cells = 0
        self._complete = True

    def row(self, element: Element) -> None:
        """The next row, as often as it is repeated."""
        if not self._complete:
            return
        times = _repeated(element, "number-rows-repeated", _MOST_ROWS)
        filled: dict[int, str] = {}
        column = 0
        for cell in element.iterchildren(f"{_T}table-cell", f"{_T}covered-table-cell"):
            repeats = _repeated(cell, "number-columns-repeated", _MOST_COLUMNS)
            text = _value(cell)
            if text:
                for each in range(column, min(column + repeats, _MOST_COLUMNS)):
                    filled[each] = text
            column += repeats
        if filled:
            limits = self._content.limits
            for number in range(self._at, min(self._at + times, _MOST_ROWS)):
                self._cells += len(filled)
                if len(self._rows) >= limits.rows or self._cells > limits.cells:
                    self._complete = False
                    break
                self._rows.append((number, filled))
        self._at += times

    def end(self) -> None:
        """Hand the sheet over."""
        content, rows = self._content, self._rows
        if not self._complete:
            content.warn(f"sheet {self.title!r} goes on: only its first {len(rows):,} rows were read")
        if not rows:
            content.section("sheet", title=self.title, hidden=self._hidden)
            return
        top, bottom = rows[0][0], rows[-1][0] + 1
        left, right = min(min(row) for _, row in rows), max(max(row) for _, row in rows) + 1
        used = cell_range(top, left, bottom - top, right - left)
        content.section("sheet", title=self.title, hidden=self._hidden, cells=used)
        if (bottom - top) * (right - left) <= content.limits.cells:
            by_number = dict(rows)
            everywhere = range(left, right)
            content.table(
                [[by_number.get(row, {}).get(at, "") for at in everywhere] for row in range(top, bottom)]
            )
            return
        content.warn(
            f"sheet {self.title!r} spans {bottom - top:,} rows and {right - left:,} columns; "
            f"only rows and columns with cells are shown"
        )
        columns = sorted(set().union(*(row for _, row in rows)))
        most = max(1, content.limits.cells // len(columns))
        if most < len(rows):
            content.warn(f"sheet {self.title!r} goes on: only its first {most:,} rows with cells were read")
        content.table([[row.get(at, "") for at in columns] for _, row in rows[:most]])


def _value(cell: Element) -> str:
    """Dates and numbers from the value, all else as it is shown."""
    kind = cell.get(f"{_O}value-type")
    if kind in {"float", "currency", "percentage"}:
        given = cell.get(f"{_O}value", "")
        if given in {"0", "1"} and (shown := _words(cell)) in {"TRUE", "FALSE"}:
            # What Calc makes of another format's truth values.
            return shown
        try:
            return cell_text(float(given))
        except ValueError:
            return str(given)
    if kind == "date":
        return str(cell.get(f"{_O}date-value", "")).replace("T", " ")
    if kind == "boolean":
        return str(cell.get(f"{_O}boolean-value", "")).upper()
    return _words(cell)


def _words(cell: Element) -> str:
    return "\n".join("".join(_shown(each)) for each in cell.iterchildren("{*}p"))


def _shown(paragraph: Element) -> list[str]:
    texts = [paragraph.text or ""]
    for each in paragraph.iterchildren("*"):
        if local(each.tag) == "s":
            texts.append(" ")
        texts += [*_shown(each), each.tail or ""]
    return texts


def _repeated(element: Element, name: str, most: int) -> int:
    given = element.get(_T + name, "1")
    return max(1, min(int(given[:9]), most)) if given.isdecimal() else 1
