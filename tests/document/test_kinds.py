"""A document is recognised by its content."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from document_samples import SENTENCES, Documents
from video_jobs import JobBench

from pitchey_core.errors import InputError


def test_the_name_does_not_decide(bench: JobBench, documents: Documents, tmp_path: Path) -> None:
    disguised = tmp_path / "letter.docx"
    shutil.copyfile(documents.text_pdf(), disguised)
    done = bench.run(disguised, outputs=["text"])
    assert done.facts.kind == "pdf"
    assert SENTENCES[0] in done.files["letter.txt"].read_text()


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("notes.txt", "Grüße aus Köln\n\nZweiter Absatz".encode(), "txt"),
        ("notes.txt", "Grüße aus Köln".encode("utf-16"), "txt"),
        ("notes.txt", "Grüße aus Köln".encode("latin-1"), "txt"),
        ("readme.md", b"# Title\n\nSome *text*.\n", "md"),
        ("table.csv", b"name,age\nAda,36\nBob,41\n", "csv"),
        ("BM is how this text begins", b"BM is how this text begins", "txt"),
    ],
)
def test_text_is_text(bench: JobBench, tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    source = tmp_path / name
    source.write_bytes(data)
    done = bench.run(source, outputs=["text", "markdown", "json"])
    assert done.facts.kind == kind
    written = next(path for name, path in done.files.items() if name.endswith(".txt")).read_text()
    if kind == "txt" and b"K" in data:
        assert "Grüße aus Köln" in written


def test_a_table_of_text_becomes_a_table(bench: JobBench, tmp_path: Path) -> None:
    source = tmp_path / "table.csv"
    source.write_text('name;born\n"Ada, Countess";1815\nCharles;1791\n')
    done = bench.run(source, outputs=["markdown"])
    assert "| Ada, Countess | 1815 |" in done.files["table.md"].read_text()


def test_markdown_stays_as_it_is(bench: JobBench, tmp_path: Path) -> None:
    source = tmp_path / "readme.md"
    source.write_text("# Title\n\n- *one*\n- two\n\n## Part\n")
    done = bench.run(source, outputs=["markdown"])
    assert done.files["readme.md"].read_text() == source.read_text()
    assert [(entry.level, entry.title) for entry in done.facts.outline] == [(1, "Title"), (2, "Part")]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0" * 100, "nothing but zeros"),
        (b"\x7fELF" + b"\0" * 100, "a program"),
        (b"\x1f\x8b\x08" + b"\0" * 100, "gzip"),
        (b"PK\x03\x04" + b"\0" * 100, "no Office document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 1000, "before 2007"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 100, "video"),
        (b"%!PS-Adobe-3.0\n", "PostScript"),
        (b"{\\rtf1 hello}", "RTF"),
        (bytes(range(128, 256)) * 10, "not recognised"),
    ],
)
def test_what_is_no_document_is_named(bench: JobBench, tmp_path: Path, data: bytes, words: str) -> None:
    source = tmp_path / "thing.pdf"
    source.write_bytes(data)
    with pytest.raises(InputError, match=words):
        bench.run(source)
