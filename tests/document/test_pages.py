"""PDF and pictures: text by layer or by recognition, page by page, and what is made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from document_samples import SENTENCES, Documents
from PIL import Image
from pypdf import PdfReader
from reportlab.pdfgen import canvas
from video_jobs import JobBench

from pitchey_core.errors import InputError


def words(text: str) -> str:
    return " ".join(text.split())


def test_each_page_is_read_as_it_needs_to_be_and_says_why(bench: JobBench, documents: Documents) -> None:
    done = bench.run(documents.mixed_pdf(), ocr="auto", outputs=["text"])
    sources = [(page.source, page.reason) for page in done.facts.pages]
    assert sources[0] == ("text-layer", "the text layer is good")
    assert sources[1] == ("ocr", "a picture covers 100% of the page and the text layer has 5 characters")
    assert sources[2] == ("none", "the page is blank")
    assert sources[3] == ("ocr", "there is no text layer")
    pages = done.files["mixed.txt"].read_text().split("\f")
    assert len(pages) == 4
    assert "long enough to be believed" in pages[0]
    for number, page in ((1, pages[1]), (2, pages[3])):
        assert words(page).startswith(words(f"Sheet number {number} {' '.join(SENTENCES)}"))
    assert done.facts.ocr.pages == 2
    assert done.facts.ocr.confidence > 85
    assert all(page.confidence > 85 for page in done.facts.pages if page.source == "ocr")


def test_without_ocr_a_scan_has_no_text_and_the_facts_say_so(bench: JobBench, documents: Documents) -> None:
    done = bench.run(documents.mixed_pdf(), outputs=["text"])
    assert [page.source for page in done.facts.pages] == ["text-layer", "text-layer", "none", "none"]
    assert done.facts.pages[3].reason == "OCR is off; there is no text layer"
    assert done.facts.ocr is None


def test_ocr_enabled_means_auto_and_ocr_wins_over_it(bench: JobBench, documents: Documents) -> None:
    scan = documents.scan_pdf(1)
    assert bench.run(scan, ocr_enabled=True, outputs=["text"]).facts.ocr.pages == 1
    assert bench.run(scan, ocr_enabled=True, ocr="never", outputs=["text"]).facts.ocr is None
    always = bench.run(documents.text_pdf(1), ocr="always", outputs=["text"])
    assert (always.facts.pages[0].source, always.facts.pages[0].reason) == ("ocr", "OCR was asked for")


def test_a_text_layer_of_junk_is_recognised(bench: JobBench, documents: Documents) -> None:
    # What a subset font without a Unicode table leaves: characters of the private use area.
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    scan = PdfReader(documents.scan_pdf(1))
    writer = PdfWriter(clone_from=scan)
    page = writer.pages[0]
    cmap = DecodedStreamObject()
    pairs = b"\n".join(b"<%02x> <%04x>" % (code, 0xE000 + code) for code in range(32, 127))
    cmap.set_data(
        b"/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <00> <ff> endcodespacerange\n"
        b"95 beginbfchar\n" + pairs + b"\nendbfchar endcmap end"
    )
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
            NameObject("/ToUnicode"): writer._add_object(cmap),
        }
    )
    page["/Resources"][NameObject("/Font")] = DictionaryObject({NameObject("/J"): writer._add_object(font)})  # type: ignore[index]
    layer = DecodedStreamObject()
    layer.set_data(
        page.get_contents().get_data()
        + b"\nBT 3 Tr /J 12 Tf 50 50 Td ("
        + b"no text at all " * 10
        + b") Tj ET"
    )  # type: ignore[union-attr]
    page[NameObject("/Contents")] = writer._add_object(layer)
    junk = documents.folder / "junk.pdf"
    writer.write(junk)
    done = bench.run(junk, ocr="auto", outputs=["text"])
    assert done.facts.pages[0].source == "ocr"
    assert "are no text" in done.facts.pages[0].reason
    assert SENTENCES[0] in words(done.files["junk.txt"].read_text())


def test_metadata_outline_and_findings_are_data(bench: JobBench, documents: Documents) -> None:
    facts = bench.run(documents.wary_pdf(), outputs=["text"]).facts
    assert facts.metadata["title"] == "The Keeper of the Light"
    assert [(entry.title, entry.page) for entry in facts.outline] == [
        ("Scene 1", 1),
        ("Scene 2", 2),
        ("Scene 3", 3),
    ]
    security = facts.security
    assert security.javascript == ["open action"]
    assert security.external_links == ["https://example.com/track"]
    assert security.launch_actions == ["page 2: calc.exe"]
    assert [each.name for each in security.embedded_files] == ["secret.txt"]
    assert (security.encryption, security.signatures) == (None, 0)


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_a_password_opens_an_encrypted_pdf(bench: JobBench, documents: Documents, algorithm: str) -> None:
    done = bench.run(documents.encrypted_pdf(algorithm, "ses@me"), password="ses@me", outputs=["text"])
    assert done.facts.security.encryption == algorithm
    assert SENTENCES[0] in words(next(iter(done.files.values())).read_text())


def test_pages_can_be_chosen(bench: JobBench, documents: Documents) -> None:
    done = bench.run(documents.text_pdf(9), pages="2,4-5,8-", outputs=["text"])
    assert [page.number for page in done.facts.pages] == [2, 4, 5, 8, 9]
    assert done.facts.page_count == 9
    assert [page.split()[1] for page in done.files["text-9.txt"].read_text().split("\f")] == [
        "2",
        "4",
        "5",
        "8",
        "9",
    ]
    with pytest.raises(InputError, match="has 9 pages"):
        bench.run(documents.text_pdf(9), pages="12-", outputs=["text"])


def test_previews_are_pictures_of_the_pages_with_a_sheet_of_all(
    bench: JobBench, documents: Documents
) -> None:
    done = bench.run(documents.mixed_pdf(), preview_width=300)
    assert sorted(done.files) == [
        "mixed-page-001.webp", "mixed-page-002.webp", "mixed-page-003.webp", "mixed-page-004.webp",
        "mixed-pages.webp", "mixed.txt",
    ]  # fmt: skip
    for name, path in done.files.items():
        if "-page-" in name:
            with Image.open(path) as picture:
                assert picture.format == "WEBP"
                assert picture.width == 300
                assert abs(picture.height - 424) <= 1
    with Image.open(done.files["mixed-pages.webp"]) as sheet:
        assert sheet.width > 2 * 170
    with (
        Image.open(done.files["mixed-page-002.webp"]) as scan,
        Image.open(done.files["mixed-page-003.webp"]) as blank,
    ):
        assert scan.convert("L").getextrema()[0] < 100
        assert blank.convert("L").getextrema()[0] > 250


@pytest.mark.parametrize("size", [(20, 14000), (14000, 20), (3, 3)])
@pytest.mark.parametrize("preview_format", ["webp", "jpeg"])
def test_pages_of_odd_sizes_have_pictures(
    bench: JobBench, documents: Documents, size: tuple[int, int], preview_format: str
) -> None:
    def make(path: Path) -> None:
        drawing = canvas.Canvas(str(path), pagesize=size)
        drawing.rect(0, 0, size[0] / 2, size[1] / 2, fill=1)
        drawing.showPage()
        drawing.save()

    source = documents.made(f"odd-{size[0]}-{size[1]}.pdf", make)
    done = bench.run(source, preview_width=800, preview_format=preview_format)
    suffix = {"webp": "webp", "jpeg": "jpg"}[preview_format]
    with Image.open(done.files[f"{source.stem}-page-001.{suffix}"]) as picture:
        assert picture.width <= 800
        assert picture.height <= 16383


def test_markdown_json_and_hocr(bench: JobBench, documents: Documents) -> None:
    done = bench.run(
        documents.mixed_pdf(), ocr="auto", outputs=["markdown", "json", "hocr"], output_name="read"
    )
    data = json.loads(done.files["read.json"].read_text())
    assert [page["source"] for page in data["pages"]] == ["text-layer", "ocr", "none", "ocr"]
    found = data["pages"][1]["recognised"]["words"]
    assert [word["text"] for word in found[:3]] == ["Sheet", "number", "1"]
    assert all(0 <= word["confidence"] <= 100 for word in found)
    assert [section["number"] for section in data["sections"]] == [1, 2, 3, 4]
    assert SENTENCES[1] in words(done.files["read.md"].read_text())
    assert "ocrx_word" in done.files["read.hocr"].read_text()


def test_a_searchable_pdf_of_a_scan(bench: JobBench, documents: Documents) -> None:
    done = bench.run(documents.mixed_pdf(), ocr="auto", outputs=["searchable-pdf"])
    pages = PdfReader(done.files["mixed-searchable.pdf"]).pages
    assert len(pages) == 4
    assert SENTENCES[2] in words(pages[3].extract_text())


@pytest.mark.parametrize(
    ("suffix", "format_name", "kind"),
    [("png", "PNG", "png"), ("jpg", "JPEG", "jpeg"), ("tiff", "TIFF", "tiff"), ("webp", "WEBP", "webp")],
)
def test_pictures_of_every_format_are_read(
    bench: JobBench, documents: Documents, suffix: str, format_name: str, kind: str
) -> None:
    source = documents.picture(suffix, format_name)
    done = bench.run(source, ocr="auto", outputs=["text", "searchable-pdf", "pdf", "previews"])
    assert (done.facts.kind, done.facts.page_count) == (kind, 1)
    assert words(done.files["picture.txt"].read_text()) == words(f"Sheet number 1 {' '.join(SENTENCES)}")
    assert SENTENCES[0] in words(PdfReader(done.files["picture-searchable.pdf"]).pages[0].extract_text())
    assert len(PdfReader(done.files["picture.pdf"]).pages) == 1


def test_frames_are_pages(bench: JobBench, documents: Documents) -> None:
    done = bench.run(documents.frames(3), ocr="auto", outputs=["text", "searchable-pdf"])
    assert done.facts.page_count == 3
    pages = done.files["frames-3.txt"].read_text().split("\f")
    assert [words(page)[:14] for page in pages] == [f"Sheet number {n}" for n in (1, 2, 3)]
    assert len(PdfReader(done.files["frames-3-searchable.pdf"]).pages) == 3


def test_languages_are_those_that_are_installed(bench: JobBench, documents: Documents) -> None:
    assert bench.run(
        documents.scan_pdf(1), ocr="auto", languages="en", outputs=["text"]
    ).facts.ocr.languages == ["eng"]
    with pytest.raises(InputError, match="xho") as caught:
        bench.run(documents.scan_pdf(1), ocr="auto", languages=["eng+xho"], outputs=["text"])
    assert caught.value.remedy


def test_progress_is_told_page_by_page(bench: JobBench, documents: Documents) -> None:
    done = bench.run(documents.scan_pdf(3), ocr="always", outputs=["text"])
    told = [message for _, message, _ in done.progress if message and message.startswith("page")]
    assert told[-1] == "page 3 of 3"
    fractions = [fraction for fraction, _, _ in done.progress if fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
