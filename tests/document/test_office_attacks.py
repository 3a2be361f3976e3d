"""Office files that are damaged or built to hurt. Each is read in a process with real limits, and has its bound."""

from __future__ import annotations

import io
import os
import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from document_office import entry_bomb, make_docx, make_pptx, make_xlsx, overlapping_zip, raw_zip, rewritten

from pitchey_core.errors import InputError, LimitExceeded, PitcheyError
from pitchey_core.isolation import call_isolated
from pitchey_core.process import ProcessLimits
from pitchey_document.structure import Structure

MIB = 1024**2
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LAUGHS = "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 10))
BILLION_LAUGHS = f'<?xml version="1.0"?><!DOCTYPE z [<!ENTITY l0 "lol">{LAUGHS}]>'


def read(path: Path, kind: str, *, seconds: float, mib: int) -> tuple[Structure, list[str]]:
    """Read within bounds: the limits are enforced on the process, and the time is measured besides."""
    started = time.monotonic()
    try:
        answer = call_isolated(
            "pitchey_document.office.reading:read_office",
            [os.fspath(path), kind],
            limits=ProcessLimits(wall_seconds=seconds, memory_bytes=mib * MIB),
        )
    finally:
        assert time.monotonic() - started < seconds + 1
    return Structure.from_record(answer["structure"]), answer["warnings"]


def refused(path: Path, kind: str = "docx", *, seconds: float = 10, mib: int = 200) -> PitcheyError:
    """How it is refused, which must be by the reader itself: the limits around it are the last line of defence."""
    with pytest.raises((InputError, LimitExceeded)) as caught:
        read(path, kind, seconds=seconds, mib=mib)
    assert getattr(caught.value, "limit", "") not in {"wall", "memory"}
    assert caught.value.remedy
    assert path.name in caught.value.message
    return caught.value


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("good")
    makers = {"docx": make_docx, "pptx": make_pptx, "xlsx": make_xlsx}
    made: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in made:
            made[kind] = makers[kind](folder / f"good.{kind}")
        return made[kind]

    return get


# -- the ZIP ------------------------------------------------------------------------------------------------------


def test_empty_and_header_only(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(b"")
    assert "is empty" in refused(path).message
    path.write_bytes(b"PK\x03\x04")
    assert "cut off" in refused(path).message


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated(good: Callable[[str], Path], tmp_path: Path, share: float) -> None:
    data = good("docx").read_bytes()
    path = tmp_path / "cut.docx"
    path.write_bytes(data[: int(len(data) * share)])
    assert "cut off" in refused(path).message


def test_flipped_bytes_never_crash(good: Callable[[str], Path], tmp_path: Path) -> None:
    chance = random.Random(11)
    path = tmp_path / "flipped.pptx"
    data = bytearray(good("pptx").read_bytes())
    for _ in range(6):
        damaged = bytearray(data)
        for _ in range(20):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        refused(path, "pptx")


def test_too_many_entries(tmp_path: Path) -> None:
    error = refused(entry_bomb(tmp_path / "entries.docx", 10_001))
    assert isinstance(error, LimitExceeded)
    assert error.limit == "entries"


def test_a_directory_that_claims_millions_of_entries(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "claims.docx", b"word/document.xml", b"x", times=65_000)
    error = refused(path)
    assert isinstance(error, LimitExceeded)
    assert error.limit == "entries"


def test_ratio_bomb(good: Callable[[str], Path], tmp_path: Path) -> None:
    path = rewritten(good("docx"), tmp_path / "ratio.docx", {"word/media/image9.png": bytes(300 * MIB)})
    error = refused(path)
    assert isinstance(error, LimitExceeded)
    assert error.limit == "ratio"


def test_expanded_size(good: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "large.docx"
    rewritten(good("docx"), path, {})
    noise = random.Random(3).randbytes(64 * 1024)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(12):
            with archive.open(f"word/media/{number}.bin", "w") as entry:
                for _ in range(100):
                    entry.write(noise + bytes(1024 * 1024 - len(noise)))
    error = refused(path, seconds=60)
    assert isinstance(error, LimitExceeded)
    assert error.limit == "expanded size"


def test_an_entry_that_lies_about_its_size(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "lie.docx", b"word/document.xml", bytes(4 * MIB), claimed=100)
    assert "larger than it says" in refused(path).message


def test_entries_that_share_bytes(tmp_path: Path) -> None:
    """Kilobytes that claim gigabytes without nesting (and entries listed twice are the simplest of these)."""
    path = overlapping_zip(tmp_path / "shared.docx", 250, bytes(1 * MIB))
    with zipfile.ZipFile(path) as archive:
        assert sum(each.file_size for each in archive.infolist()) > 100 * path.stat().st_size
    assert "share the same bytes" in refused(path).message
    assert (
        "twice" in refused(raw_zip(tmp_path / "twice.docx", b"word/document.xml", b"<a/>", times=50)).message
    )


def test_a_zip_that_holds_itself_is_never_opened(good: Callable[[str], Path], tmp_path: Path) -> None:
    """A quine ZIP has no end for those who unpack what they find; here nothing inside of a package is unpacked."""
    nested = b"<w:document/>"
    for _ in range(40):
        layer = io.BytesIO()
        with zipfile.ZipFile(layer, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(16):
                archive.writestr(f"{number}.zip", nested)
        nested = layer.getvalue()[: 2 * MIB]
    alone = tmp_path / "quine.docx"
    with zipfile.ZipFile(alone, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("quine.docx", nested)
    refused(alone)
    inside = rewritten(good("docx"), tmp_path / "inside.docx", {"word/embeddings/quine.zip": nested})
    structure, _ = read(inside, "docx", seconds=10, mib=200)
    assert structure.sections[0].blocks


@pytest.mark.parametrize(
    "name", [b"../../etc/passwd", b"/etc/passwd", b"word\\document.xml", b"C:/x", b"a" * 600]
)
def test_names_that_lead_outside(tmp_path: Path, name: bytes) -> None:
    assert "name" in refused(raw_zip(tmp_path / "slip.docx", name, b"x")).message


def test_encrypted_entries(good: Callable[[str], Path], tmp_path: Path) -> None:
    data = bytearray(good("docx").read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at + 8] |= 1
    path = tmp_path / "locked.docx"
    path.write_bytes(data)
    assert "encrypted inside the ZIP" in refused(path).message


def test_data_descriptors_are_fine(good: Callable[[str], Path], tmp_path: Path) -> None:
    """Written by everything that streams."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(good("docx")) as old, zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as new:  # type: ignore[arg-type]
        for name in old.namelist():
            new.writestr(name, old.read(name))
    path = tmp_path / "streamed.docx"
    path.write_bytes(pipe.data)
    structure, _ = read(path, "docx", seconds=10, mib=200)
    assert structure.sections[0].blocks


# -- XML ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "part"),
    [("docx", "word/document.xml"), ("pptx", "ppt/slides/slide1.xml"), ("xlsx", "xl/workbook.xml"),
     ("docx", "_rels/.rels"), ("xlsx", "xl/worksheets/sheet1.xml"), ("docx", "[Content_Types].xml")],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_billion_laughs(
    good: Callable[[str], Path], tmp_path: Path, kind: str, part: str, encoding: str
) -> None:
    bomb = (BILLION_LAUGHS + "<z>&l9;</z>").encode(encoding)
    path = rewritten(good(kind), tmp_path / f"laughs.{kind}", {part: bomb})
    assert "DTD" in refused(path, kind).message


def test_external_dtd(good: Callable[[str], Path], tmp_path: Path) -> None:
    for doctype in (
        '<!DOCTYPE w SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        "<!-- first --><!DOCTYPE w PUBLIC '-//X//Y' 'file:///etc/passwd'>",
    ):
        path = rewritten(
            good("docx"),
            tmp_path / "dtd.docx",
            {"word/document.xml": f'{doctype}<w:document xmlns:w="{WORD}"/>'.encode()},
        )
        assert "DTD" in refused(path).message


def test_a_dtd_hidden_by_an_encoding(good: Callable[[str], Path], tmp_path: Path) -> None:
    hidden = b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE z []+AD4APA-z/+AD4-'
    path = rewritten(good("docx"), tmp_path / "utf7.docx", {"word/document.xml": hidden})
    assert "'UTF-7'" in refused(path).message


@pytest.mark.parametrize("tail", ["", "<!-- x -->", "a > b"])
def test_depth(good: Callable[[str], Path], tmp_path: Path, tail: str) -> None:
    deep = "<w:p>" * 100_000 + tail + "</w:p>" * 100_000
    document = f'<w:document xmlns:w="{WORD}"><w:body>{deep}</w:body></w:document>'
    path = rewritten(good("docx"), tmp_path / "deep.docx", {"word/document.xml": document.encode()})
    error = refused(path)
    assert isinstance(error, LimitExceeded)
    assert error.limit == "xml depth"


def test_depth_up_to_the_limit_is_fine(good: Callable[[str], Path], tmp_path: Path) -> None:
    tables = (
        '<w:tbl><w:tr><w:tc a="/>">' * 80
        + "<w:p><w:r><w:t>x &gt;</w:t></w:r></w:p>"
        + "</w:tc></w:tr></w:tbl>" * 80
    )
    document = f'<w:document xmlns:w="{WORD}"><w:body>{tables}</w:body></w:document>'
    path = rewritten(good("docx"), tmp_path / "tables.docx", {"word/document.xml": document.encode()})
    structure, _ = read(path, "docx", seconds=10, mib=200)
    assert structure.sections[0].blocks[1].rows == [["x >"]]


def test_a_relationship_to_nowhere(good: Callable[[str], Path], tmp_path: Path) -> None:
    relation = (
        b'<Relationship Id="x9" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" '
        b'Target="../NULL"/></Relationships>'
    )
    path = rewritten(
        good("docx"),
        tmp_path / "nowhere.docx",
        {"word/_rels/document.xml.rels": lambda old: old.replace(b"</Relationships>", relation)},
    )
    assert "NULL" in refused(path).message


# -- workbooks ----------------------------------------------------------------------------------------------------


def sheet_of(rows: str) -> bytes:
    """A worksheet that declares every cell there can be."""
    declared = '<dimension ref="A1:XFD1048576"/>'
    return f'<worksheet xmlns="{SHEET}">{declared}<sheetData>{rows}</sheetData></worksheet>'.encode()


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ('<row r="1"><c r="A1"><v>1</v></c></row>', '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'),
        ('<row r="1"><c><v>1</v></c></row>', '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'),
        ('<row r="1"><c r="A1"><v>1</v></c></row>', '<row r="2"><c r="XFD1048576"><v>2</v></c></row>'),
    ],
)
def test_a_sheet_of_seventeen_billion_cells(
    good: Callable[[str], Path], tmp_path: Path, first: str, last: str
) -> None:
    path = rewritten(
        good("xlsx"), tmp_path / "wide.xlsx", {"xl/worksheets/sheet1.xml": sheet_of(first + last)}
    )
    structure, warnings = read(path, "xlsx", seconds=30, mib=300)
    sheet = structure.sections[0]
    assert sheet.cells == "A1:XFD1048576"
    assert sheet.blocks[0].rows in ([["1", ""], ["", "2"]], [["1", "2"]])
    assert "spans 1,048,576 rows and 16,384 columns" in warnings[0]


def test_a_sheet_that_only_declares_them(good: Callable[[str], Path], tmp_path: Path) -> None:
    rows = '<row r="1"><c r="A1"><v>1</v></c></row>'
    path = rewritten(good("xlsx"), tmp_path / "declared.xlsx", {"xl/worksheets/sheet1.xml": sheet_of(rows)})
    structure, warnings = read(path, "xlsx", seconds=10, mib=200)
    assert structure.sections[0].blocks[0].rows == [["1"]]
    assert warnings == []


def test_shared_strings_bomb(good: Callable[[str], Path], tmp_path: Path) -> None:
    """One long string, shown by two hundred thousand cells: six gigabytes once each cell has a copy."""
    strings = f'<sst xmlns="{SHEET}"><si><t>{"ab " * 10_000}</t></si></sst>'
    rows = "".join(
        f'<row r="{row}">'
        + "".join(f'<c r="{column}{row}" t="s"><v>0</v></c>' for column in "ABCDEFGHIJ")
        + "</row>"
        for row in range(1, 20_001)
    )
    path = rewritten(
        good("xlsx"),
        tmp_path / "strings.xlsx",
        {
            "xl/worksheets/sheet1.xml": sheet_of(rows),
            "xl/sharedStrings.xml": strings.encode(),
            "[Content_Types].xml": lambda old: old.replace(
                b"<Override",
                b'<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-'
                b'officedocument.spreadsheetml.sharedStrings+xml"/><Override',
                1,
            ),
            "xl/_rels/workbook.xml.rels": lambda old: old.replace(
                b"</Relationships>",
                b'<Relationship Id="s" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
                b'sharedStrings" Target="sharedStrings.xml"/></Relationships>',
            ),
        },
    )
    structure, warnings = read(path, "xlsx", seconds=60, mib=400)
    assert sum(len(cell) for each in structure.blocks() for row in each.rows for cell in row) <= 5_000_000
    assert any("goes on" in each for each in warnings)


def test_a_repeated_cell_of_an_opendocument_sheet(tmp_path: Path) -> None:
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    cell = '<table:table-cell office:value-type="string" table:number-columns-repeated="16384"><text:p>x</text:p>'
    row = f'<table:table-row table:number-rows-repeated="1048576">{cell}</table:table-cell></table:table-row>'
    content = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="S">{row * 50}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    path = tmp_path / "repeated.ods"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
    structure, warnings = read(path, "ods", seconds=20, mib=400)
    assert len(structure.sections[0].blocks[0].rows) == 61
    assert "goes on" in warnings[0]
