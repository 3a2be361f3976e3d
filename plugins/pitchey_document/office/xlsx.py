"""Excel workbooks: python-calamine reads the values; openpyxl those few sheets that would burst it.

calamine lays a sheet out as a full rectangle and copies a shared string for every cell that shows it, so each sheet is
surveyed first.
"""

from __future__ import annotations

import contextlib
import itertools
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any, Final

from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from pitchey_document.office.cells import cell_range, cell_text, trimmed
from pitchey_document.office.content import Content
from pitchey_document.office.markup import read_part, relationships
from pitchey_document.office.xlsx_survey import Survey, longest_string, survey

__all__ = ["read_xlsx"]

# 32 bytes a cell in calamine: 128 MiB.
_DENSE_CELLS: Final = 4_000_000
_COPIED_CHARACTERS: Final = 256 * 1024**2


def read_xlsx(path: str, archive: zipfile.ZipFile, content: Content) -> None:
    """Fill in a section for each sheet with cells, its used range as one table.

    Formulas count as the values that the application saved last.
    """
    parts = _sheet_parts(archive)
    with CalamineWorkbook.from_path(path) as workbook:
        strings = longest_string(archive)
        for sheet in workbook.sheets_metadata:
            if content.full:
                return
            if sheet.typ == SheetTypeEnum.ChartSheet or sheet.typ == SheetTypeEnum.Vba:
                continue
            hidden = sheet.visible != SheetVisibleEnum.Visible
            found = survey(archive, parts.get(sheet.name, ""), strings)
            if found.box <= _DENSE_CELLS and found.copied_characters <= _COPIED_CHARACTERS:
                cells = workbook.get_sheet_by_name(sheet.name)
                start = cells.start or (0, 0)
                # Rows come from the first of the sheet, columns from the first with a cell.
                _add(content, sheet.name, hidden, itertools.islice(cells.iter_rows(), start[0], None), start)
            else:
                _add_sparse(content, path, sheet.name, hidden, found)


def _add(
    content: Content, title: str, hidden: bool, rows: Iterable[list[Any]], start: tuple[int, int]
) -> None:
    texts: list[list[str]] = []
    cells = 0
    for row in rows:
        cells += len(row)
        if len(texts) == content.limits.rows or cells > content.limits.cells:
            content.warn(f"sheet {title!r} goes on: only its first {len(texts):,} rows were read")
            break
        texts.append([each if type(each) is str else cell_text(each) for each in row])
    top, left, kept = trimmed(texts)
    used = cell_range(start[0] + top, start[1] + left, len(kept), len(kept[0])) if kept else None
    content.section("sheet", title=title, hidden=hidden, cells=used)
    content.table(kept)


def _add_sparse(content: Content, path: str, title: str, hidden: bool, found: Survey) -> None:
    """Only the cells that are there; empty rows and columns between them are left out."""
    placed: dict[tuple[int, int], str] = {}
    characters = 0
    complete = True
    for row, column, text in _present_cells(path, title):
        characters += len(text)
        if len(placed) >= content.limits.cells or characters > content.limits.characters:
            complete = False
            break
        placed[row, column] = text
    rows = sorted({row for row, _ in placed})
    columns = sorted({column for _, column in placed})
    most = max(1, content.limits.cells // max(1, len(columns)))
    kept = rows[: min(most, content.limits.rows)]
    content.section("sheet", title=title, hidden=hidden, cells=cell_range(0, 0, found.rows, found.columns))
    content.warn(
        f"sheet {title!r} spans {found.rows:,} rows and {found.columns:,} columns; "
        f"only rows and columns with cells are shown"
    )
    if not complete or len(kept) < len(rows):
        content.warn(f"sheet {title!r} goes on: only its first {len(kept):,} rows with cells were read")
    content.table([[placed.get((row, column), "") for column in columns] for row in kept])


def _present_cells(path: str, title: str) -> Iterator[tuple[int, int, str]]:
    import openpyxl

    with contextlib.closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as workbook:
        sheet = workbook[title]
        # What the file declares is what cannot be trusted here.
        sheet.reset_dimensions()
        for row in sheet.iter_rows():
            for cell in row:
                if cell.value is not None:
                    yield cell.row, cell.column, cell_text(cell.value)


def _sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """The part of each sheet, by name."""
    main = next((each.target for each in relationships(archive, "") if each.type == "officeDocument"), "")
    targets = {each.id: each.target for each in relationships(archive, main)}
    workbook = read_part(archive, main)
    sheets = () if workbook is None else workbook.iterfind("{*}sheets/{*}sheet")
    return {
        sheet.get("name", ""): targets.get(next((v for k, v in sheet.items() if k.endswith("}id")), ""), "")
        for sheet in sheets
    }
