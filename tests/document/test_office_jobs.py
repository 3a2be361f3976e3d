"""Office files as jobs: text always, pages where LibreOffice is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from document_samples import Documents
from pypdf import PdfReader
from video_jobs import JobBench

from pitchey_core.errors import InputError, PartialFailure, ToolMissing

needs_libreoffice = pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")


@pytest.fixture
def without_libreoffice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))


def letter(documents: Documents) -> Path:
    def make(path: Path) -> None:
        from docx import Document

        document = Document()
        document.add_heading("The Keeper of the Light", 1)
        document.add_paragraph("Morning fog lay over the harbour.")
        table = document.add_table(rows=2, cols=2)
        for cell, text in zip(
            (c for row in table.rows for c in row.cells), ("Role", "Actor", "Keeper", "Ada"), strict=True
        ):
            cell.text = text
        document.save(str(path))

    return documents.made("letter.docx", make)


def test_text_markdown_and_json_need_no_libreoffice(
    bench: JobBench, documents: Documents, without_libreoffice: None
) -> None:
    done = bench.run(letter(documents), outputs=["text", "markdown", "json"])
    assert (done.facts.kind, done.facts.characters > 50) == ("docx", True)
    assert [(entry.level, entry.title) for entry in done.facts.outline] == [(1, "The Keeper of the Light")]
    assert "Morning fog lay over the harbour." in done.files["letter.txt"].read_text()
    markdown = done.files["letter.md"].read_text()
    assert markdown.startswith("# The Keeper of the Light\n")
    assert "| Keeper | Ada |" in markdown
    assert json.loads(done.files["letter.json"].read_text())["sections"][0]["kind"] == "body"


def test_without_libreoffice_the_default_is_text_and_a_warning_that_names_the_package(
    bench: JobBench, documents: Documents, without_libreoffice: None
) -> None:
    done = bench.run(letter(documents))
    assert list(done.files) == ["letter.txt"]
    (warning,) = done.facts.warnings
    assert "no pictures of pages: soffice is not installed on this host" in warning
    assert "libreoffice" in warning.lower()


def test_without_libreoffice_a_pdf_that_was_asked_for_fails_and_the_text_is_published(
    bench: JobBench, documents: Documents, without_libreoffice: None
) -> None:
    with pytest.raises(PartialFailure, match="soffice is not installed") as caught:
        bench.run(letter(documents), outputs=["text", "pdf"])
    assert "libreoffice" in (caught.value.remedy or "").lower()
    assert caught.value.facts["characters"] > 50
    with pytest.raises(ToolMissing):
        bench.run(letter(documents), outputs=["pdf"])


@needs_libreoffice
def test_with_libreoffice_there_are_pdf_and_pictures(bench: JobBench, documents: Documents) -> None:
    done = bench.run(letter(documents), outputs=["pdf", "previews"])
    assert sorted(done.files) == ["letter-page-001.webp", "letter-pages.webp", "letter.pdf"]
    assert "Morning fog" in PdfReader(done.files["letter.pdf"]).pages[0].extract_text()


@needs_libreoffice
@pytest.mark.parametrize("name", ["notes.txt", "table.csv"])
def test_text_has_pages_too(bench: JobBench, tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_text("name,role\nAda,Keeper\n")
    done = bench.run(source, outputs=["text", "previews", "pdf"])
    assert any("-page-001" in each for each in done.files)
    pdf = next(path for each, path in done.files.items() if each.endswith(".pdf"))
    assert "Keeper" in PdfReader(pdf).pages[0].extract_text()


def test_what_is_made_of_scans_only_is_refused_in_words(bench: JobBench, documents: Documents) -> None:
    with pytest.raises(PartialFailure, match="hocr is made of PDF and pictures only"):
        bench.run(letter(documents), outputs=["text", "hocr"])


def test_a_password_opens_an_office_file(bench: JobBench, documents: Documents) -> None:
    def encrypt(path: Path) -> None:
        from msoffcrypto.format.ooxml import OOXMLFile

        with letter(documents).open("rb") as plain, path.open("wb") as target:
            OOXMLFile(plain).encrypt("ses@me", target)

    source = documents.made("locked.docx", encrypt)
    done = bench.run(source, outputs=["text"], password="ses@me")
    assert "Morning fog" in done.files["locked.txt"].read_text()
    assert done.facts.security.encryption
    with pytest.raises(InputError, match="password"):
        bench.run(source, outputs=["text"])
    with pytest.raises(InputError, match="password"):
        bench.run(source, outputs=["text"], password="open")
