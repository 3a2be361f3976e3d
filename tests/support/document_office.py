"""Office files for the tests, made by the real libraries and by LibreOffice, and the attacks that are made of them."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

__all__ = [
    "REPORT",
    "entry_bomb",
    "libreoffice",
    "make_docx",
    "make_pptx",
    "make_xlsx",
    "overlapping_zip",
    "png",
    "raw_zip",
    "rewritten",
]

REPORT = "Quarterly report"


def png(width: int = 8, height: int = 8) -> io.BytesIO:
    """A grey picture."""
    rows = b"".join(b"\0" + b"\x80" * width for _ in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    header = struct.pack(">LLBBBBB", width, height, 8, 0, 0, 0, 0)
    return io.BytesIO(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def make_docx(path: Path) -> Path:
    """Headings, lists, a table with merged cells and one inside it, a link, header, footer, comment, picture."""
    import docx
    from docx.opc.constants import RELATIONSHIP_TYPE
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    document = docx.Document()
    document.core_properties.title = REPORT
    document.core_properties.author = "Ada"
    document.add_heading(REPORT, 0)
    document.add_heading("Results", 1)
    first = document.add_paragraph("Sales rose by ")
    first.add_run("12 %").bold = True
    first.add_run(" in spring.\tSee ")
    link = OxmlElement("w:hyperlink")
    link.set(
        qn("r:id"), document.part.relate_to("https://example.org/figures", RELATIONSHIP_TYPE.HYPERLINK, True)
    )
    run, text = OxmlElement("w:r"), OxmlElement("w:t")
    text.text = "the figures"
    run.append(text)
    link.append(run)
    first._p.append(link)
    for words, style in (
        ("apples", "List Bullet"),
        ("green apples", "List Bullet 2"),
        ("first", "List Number"),
        ("second", "List Number"),
    ):
        document.add_paragraph(words, style)
    table = document.add_table(3, 3)
    for row, words in zip(
        table.rows, (("Region", "Q1", "Q2"), ("North", "1|2", "3"), ("South", "4", "5")), strict=True
    ):
        for cell, word in zip(row.cells, words, strict=True):
            cell.text = word
    table.cell(1, 1).merge(table.cell(1, 2))
    table.cell(2, 0).add_table(1, 2).rows[0].cells[1].text = "inner"
    document.add_heading("Outlook", 2)
    noted = document.add_paragraph("Better *than* before_ <b>.")
    if hasattr(document, "add_comment"):
        document.add_comment(noted.runs, text="who says so?", author="Bo", initials="B")
    picture = document.add_picture(png())
    picture._inline.docPr.set("descr", "a grey square")
    document.sections[0].header.paragraphs[0].text = "Confidential"
    document.sections[0].footer.paragraphs[0].text = "Page of the report"
    document.save(path)
    return path


def make_pptx(path: Path) -> Path:
    """Two slides and a hidden one: bullets, a text box in a group, a table, notes, a picture, a chart."""
    import pptx
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    deck = pptx.Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "The plan"
    frame = first.placeholders[1].text_frame
    frame.text = "gather"
    deeper = frame.add_paragraph()
    deeper.text, deeper.level = "carefully", 1
    first.notes_slide.notes_text_frame.text = "Smile here."
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "Numbers"
    grid = second.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for row, words in enumerate((("Year", "Films"), ("2024", "7"))):
        for column, word in enumerate(words):
            grid.cell(row, column).text = word
    box = second.shapes.add_group_shape().shapes.add_textbox(0, 0, Inches(1), Inches(1))
    box.text_frame.text = "grouped words"
    picture = second.shapes.add_picture(png(), 0, 0)
    picture._element.nvPicPr.cNvPr.set("descr", "a grey square")
    data = CategoryChartData()
    data.categories = ["East", "West"]
    data.add_series("Seats", (4, 8.5))
    second.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(3), Inches(3), data)
    hidden = deck.slides.add_slide(deck.slide_layouts[5])
    hidden.shapes.title.text = "Backup"
    hidden._element.set("show", "0")
    deck.save(path)
    return path


def make_xlsx(path: Path) -> Path:
    """Dates, numbers, booleans, a merged cell, a range that begins in B2, a hidden and a very hidden sheet."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Budget"
    sheet.append([])
    for row in (
        ["Item", "Cost", "Paid", "Due"],
        ["Lights | rent", 0.1 + 0.2, True, dt.date(2024, 5, 1)],
        ["Crew", 1200, False, dt.datetime(2024, 5, 2, 13, 30)],  # noqa: DTZ001 - spreadsheets know no time zones
    ):
        sheet.append([None, *row])
    sheet["B6"] = "Total"
    sheet.merge_cells("B6:C6")
    for title, state in (("Drafts", "hidden"), ("Secrets", "veryHidden")):
        other = book.create_sheet(title)
        other["A1"] = f"in {title}"
        other.sheet_state = state
    book.save(path)
    return path


def libreoffice(source: Path, kind: str) -> Path:
    """The same document as LibreOffice writes it in another format."""
    program = shutil.which("soffice")
    if program is None:
        pytest.skip("LibreOffice is not on this host")
    folder = source.parent / f"as-{kind}"
    subprocess.run(
        [
            program,
            f"-env:UserInstallation={(source.parent / 'profile').as_uri()}",
            "--headless",
            "--convert-to",
            kind,
            "--outdir",
            folder,
            source,
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return folder / f"{source.stem}.{kind}"


def rewritten(
    source: Path, target: Path, changes: Mapping[str, bytes | Callable[[bytes], bytes] | None]
) -> Path:
    """A copy in which entries are replaced, changed by a function, added, or (``None``) left out."""
    left = dict(changes)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            change = left.pop(name, old.read(name))
            if change is not None:
                new.writestr(name, change(old.read(name)) if callable(change) else change)
        for name, data in left.items():
            if isinstance(data, bytes):
                new.writestr(name, data)
    return target


def entry_bomb(target: Path, entries: int) -> Path:
    """A ZIP of so many empty files."""
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(entries):
            archive.writestr(f"word/part{number}.xml", b"")
    return target


def raw_zip(target: Path, name: bytes, data: bytes, *, claimed: int | None = None, times: int = 1) -> Path:
    """One deflated entry, written by hand: its size may be a lie, and the directory may list it many times."""
    packed = zlib.compress(data, 9)[2:-4]
    fields = (zlib.crc32(data), len(packed), len(data) if claimed is None else claimed)
    local = struct.pack("<4sHHHHHLLLHH", b"PK\x03\x04", 20, 0, 8, 0, 33, *fields, len(name), 0) + name
    entry = struct.pack(
        "<4sHHHHHHLLLHHHHHLL", b"PK\x01\x02", 20, 20, 0, 8, 0, 33, *fields, len(name), 0, 0, 0, 0, 0, 0
    )
    central = (entry + name) * times
    end = struct.pack(
        "<4sHHHHLLH", b"PK\x05\x06", 0, 0, times, times, len(central), len(local) + len(packed), 0
    )
    target.write_bytes(local + packed + central + end)
    return target


def overlapping_zip(target: Path, entries: int, kernel: bytes) -> Path:
    """A ZIP whose entries all share one run of compressed bytes: each local header is quoted by the one before.

    This is how a file of kilobytes claims to hold gigabytes without any nesting.
    """
    packed = zlib.compress(kernel, 9)[2:-4]
    names = [f"word/part{number:05}.xml".encode() for number in range(entries)]
    body, sizes = packed, [(len(packed), len(kernel), zlib.crc32(kernel))]
    content = kernel
    for name in reversed(names):
        compressed, size, crc = sizes[-1]
        header = (
            struct.pack("<4sHHHHHLLLHH", b"PK\x03\x04", 20, 0, 8, 0, 33, crc, compressed, size, len(name), 0)
            + name
        )
        quote = struct.pack("<BHH", 0, len(header), 0xFFFF - len(header)) + header
        body, content = header + body, header + content
        if name != names[0]:
            body = quote[:5] + body
            sizes.append((len(body), len(content), zlib.crc32(content)))
    central, offset = b"", 0
    for name, (compressed, size, crc) in zip(names, reversed(sizes), strict=True):
        central += struct.pack(
            "<4sHHHHHHLLLHHHHHLL",
            b"PK\x01\x02", 20, 20, 0, 8, 0, 33, crc, compressed, size, len(name), 0, 0, 0, 0, 0, offset,
        ) + name  # fmt: skip
        offset += 30 + len(name) + 5
    end = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, entries, entries, len(central), len(body), 0)
    target.write_bytes(body + central + end)
    return target
