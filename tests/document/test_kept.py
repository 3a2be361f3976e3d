"""What is good is never lost: not to a slow converter, a long title, a late page, a wrong guess, or an overwrite."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
from document_samples import Documents, raw_pdf, stream
from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas
from video_jobs import JobBench

from pitchey_core.errors import InputError, PartialFailure

needs_libreoffice = pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")


def lines_pdf(path: Path, *lines: str) -> Path:
    drawing = canvas.Canvas(str(path), pagesize=A4)
    text = drawing.beginText(72, 760)
    text.setFont("Courier", 11)
    for line in lines:
        text.textLine(line)
    drawing.drawText(text)
    drawing.save()
    return path


def test_a_wide_row_does_not_widen_all_others(bench: JobBench, tmp_path: Path) -> None:
    source = tmp_path / "ragged.csv"
    source.write_text(",".join("x" for _ in range(20_000)) + "\n" + "a,b\n" * 20_000)
    done = bench.run(source, outputs=["markdown"])
    assert done.files["ragged.md"].stat().st_size < 2_000_000


@needs_libreoffice
def test_text_outlives_a_choice_of_pages_that_the_layout_lacks(bench: JobBench, tmp_path: Path) -> None:
    source = tmp_path / "note.txt"
    source.write_text("A note.")
    done = bench.run(source, pages="5")
    assert done.files["note.txt"].read_text() == "A note.\n"
    assert any("selects none" in words for words in done.facts.warnings)


@needs_libreoffice
def test_text_outlives_a_converter_that_hangs(
    bench: JobBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pitchey_document.office.conversion._WALL_SECONDS", 1.0)
    hanging = tmp_path / "soffice"
    hanging.write_text("#!/bin/sh\nsleep 600\n")
    hanging.chmod(0o755)
    bench.tools["soffice"] = str(hanging)
    source = tmp_path / "note.txt"
    source.write_text("A note.")
    done = bench.run(source)
    assert list(done.files) == ["note.txt"]
    assert any("no pictures of pages" in words for words in done.facts.warnings)


def test_a_last_page_that_hangs_does_not_take_the_others_along(bench: JobBench, documents: Documents) -> None:
    slow = b"0 0 600 800 re f\n" * 100_000
    good = stream(b"BT /F1 20 Tf 50 700 Td (The good page) Tj ET")
    font = b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    source = documents.data(
        "slow-last.pdf",
        raw_pdf(
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R 5 0 R] /Count 2 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R " + font + b" >>",
            good,
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 6 0 R " + font + b" >>",
            stream(slow),
        ),
    )
    bench.limits = bench.limits.with_(wall_seconds=9.0)
    with pytest.raises(PartialFailure) as caught:
        bench.run(source, outputs=["text", "previews"])
    assert [page["source"] for page in caught.value.facts["pages"]] == ["text-layer", "failed"]
    assert "time was up" in caught.value.facts["pages"][1]["error"]


def test_long_titles_hide_no_findings(bench: JobBench, documents: Documents, tmp_path: Path) -> None:
    writer = PdfWriter(clone_from=PdfReader(documents.wary_pdf()))
    for number in range(250):
        writer.add_outline_item(title="一" * 200 + str(number), page_number=0)
    source = tmp_path / "titles.pdf"
    writer.write(source)
    facts = bench.run(source, outputs=["text"]).facts
    assert facts.security.javascript == ["open action"]
    assert facts.outline
    assert any("shortened" in words for words in facts.warnings)


def test_a_text_that_is_not_utf_8_is_read_to_its_end(bench: JobBench, tmp_path: Path) -> None:
    source = tmp_path / "latin.txt"
    source.write_bytes("Meet at the café".encode("latin-1"))
    assert bench.run(source, outputs=["text"]).files["latin.txt"].read_text() == "Meet at the café\n"
    source.write_bytes("Meet at the café".encode("utf-32"))
    assert bench.run(source, outputs=["text"]).files["latin.txt"].read_text() == "Meet at the café\n"


def test_cells_are_what_stands_between_the_separators(bench: JobBench, tmp_path: Path) -> None:
    source = tmp_path / "quotes.csv"
    source.write_text('a,b\n\'tis,the \'season\'\n"he said ""hello"" twice",x\n')
    table = json.loads(bench.run(source, outputs=["json"]).files["quotes.json"].read_text())["sections"][0][
        "blocks"
    ][0]
    assert table["rows"] == [["a", "b"], ["'tis", "the 'season'"], ['he said "hello" twice', "x"]]


def test_a_listing_without_vowels_is_not_taken_for_junk(bench: JobBench, tmp_path: Path) -> None:
    code = (
        "mov rcx, xmm0",
        "cmp rbx, rdx",
        "jnz lp",
        "push rsp",
        "pop rdx",
        "shr rcx, 3",
        "xor rcx, rcx",
        "nop",
    ) * 4
    done = bench.run(lines_pdf(tmp_path / "code.pdf", *code), ocr="auto", outputs=["text"])
    assert done.facts.pages[0].source == "text-layer"
    assert "xmm0" in done.files["code.txt"].read_text()


def test_words_that_a_line_cuts_are_joined_and_compounds_stay(bench: JobBench, tmp_path: Path) -> None:
    source = lines_pdf(tmp_path / "cut.pdf", "The light keep-", "er ran the A-", "B tests at once.")
    text = bench.run(source, outputs=["text"]).files["cut.txt"].read_text()
    assert "keeper ran the" in text.replace("\n", " ")
    assert "A-B tests" in text.replace("-\n", "-")


def test_a_scan_without_ocr_says_that_there_is_no_text(bench: JobBench, documents: Documents) -> None:
    done = bench.run(documents.scan_pdf(1), outputs=["searchable-pdf"])
    assert any("OCR is off: --ocr auto" in words for words in done.facts.warnings)


def test_an_output_never_replaces_the_input(bench: JobBench, tmp_path: Path) -> None:
    source = tmp_path / "note.md"
    source.write_bytes(b"# A caf\xe9\n")
    with pytest.raises(InputError, match="would replace the input") as caught:
        bench.run(source, output=tmp_path, overwrite=True, outputs=["markdown"])
    assert "another output folder" in (caught.value.remedy or "")
    assert source.read_bytes() == b"# A caf\xe9\n"


def test_a_damaged_checkpoint_is_no_checkpoint(bench: JobBench, documents: Documents, tmp_path: Path) -> None:
    from pitchey_core.payload import parse_payload

    job_id = str(uuid.uuid4())
    payload = bench.payload(documents.text_pdf(), {"outputs": ["text"]})
    for attempt, damage in ((1, b'{"input": [1'), (2, b"[]"), (3, b'{"input": []}')):
        scratch = tmp_path / "scratch" / job_id
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / "pages.checkpoint.json").write_bytes(damage)
        job = bench.context(payload, tmp_path / f"out-{attempt}", job_id=job_id, attempt=attempt)
        facts: Any = bench.processor.process(parse_payload(bench.processor.payload_model, payload), job)
        assert [page.source for page in facts.pages] == ["text-layer"] * 3
        job.discard()


def test_slides_can_be_chosen(bench: JobBench, tmp_path: Path) -> None:
    from pptx import Presentation

    deck = Presentation()
    for title in ("First", "Second", "Third"):
        deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = title
    source = tmp_path / "deck.pptx"
    deck.save(str(source))
    text = bench.run(source, pages="2-", outputs=["text"]).files["deck.txt"].read_text()
    assert ("First" in text, "Second" in text, "Third" in text) == (False, True, True)


@pytest.mark.slow
def test_many_pages_that_fail_cost_no_good_one(bench: JobBench, tmp_path: Path) -> None:
    bad, good = 24, 3
    font = b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents %d 0 R " + font + b" >>"
    kids = b" ".join(b"%d 0 R" % (5 + n) for n in range(bad + good))
    source = tmp_path / "bad.pdf"
    source.write_bytes(
        raw_pdf(
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [" + kids + b"] /Count %d >>" % (bad + good),
            stream(b"0 0 600 800 re f\n" * 100_000),
            stream(b"BT /F1 20 Tf 50 700 Td (The good page) Tj ET"),
            *(page % (3 if number < bad else 4) for number in range(bad + good)),
        )
    )
    bench.options["page_seconds"] = 0.5
    with pytest.raises(PartialFailure) as caught:
        bench.run(source, outputs=["text", "previews"])
    sources = [page["source"] for page in caught.value.facts["pages"]]
    assert sources == ["failed"] * bad + ["text-layer"] * good


def test_a_searchable_copy_without_the_encryption_of_the_original_says_so(
    bench: JobBench, documents: Documents, tmp_path: Path
) -> None:
    writer = PdfWriter(clone_from=PdfReader(documents.scan_pdf(1)))
    writer.encrypt("", "owner", algorithm="AES-256")
    source = tmp_path / "restricted.pdf"
    writer.write(source)
    done = bench.run(source, ocr="auto", outputs=["searchable-pdf"])
    assert done.facts.security.encryption == "AES-256"
    assert not PdfReader(done.files["restricted-searchable.pdf"]).is_encrypted
    assert any("the searchable copy is not encrypted" in words for words in done.facts.warnings)
