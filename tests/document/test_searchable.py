"""Searchable PDFs: they look as before, and poppler and PDFium find the words where they are seen."""

from __future__ import annotations

import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from document_scans import Scan, character_error_rate, scanned
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, NumberObject, RectangleObject

from pitchey_core.errors import InputError
from pitchey_document.ocr.searchable import add_text_layer, pictures_to_pdf
from pitchey_document.ocr.words import PageReading, Word, text_of

PAGE = scanned("scan200", 11, paragraphs=2, skew_degrees=0.0)


def reading_of(page: Scan, box: tuple[int, int, int, int] | None = None) -> dict[str, Any]:
    """A perfect reading of a page, or of a part of it, as the engine would give it."""
    left, top, right, bottom = box or (0, 0, *page.image.size)
    lines: dict[int, list[Word]] = {}
    texts = iter(page.words)
    for number, line in enumerate(page.text.split("\n")):
        for _ in line.split():
            text, (x0, y0, x1, y1) = next(texts)
            if x0 >= left and y0 >= top and x1 <= right and y1 <= bottom:
                placed = (int(x0) - left, int(y0) - top, int(x1) - left, int(y1) - top)
                lines.setdefault(number, []).append(Word(text, *placed, 95.0, 1, 1, number + 1))
    words = [word for line in lines.values() for word in line]
    size = (right - left, bottom - top)
    return PageReading(words, text_of(words), 95.0, 0, "detected", 0.0, False, False, 1.0, size).as_record()


def drawn(path: Path, page: int = 0) -> bytes:
    document = pypdfium2.PdfDocument(path)
    pixels: bytes = document[page].render(scale=1.5).to_numpy().tobytes()
    document.close()
    return pixels


def pdfium_text(path: Path) -> str:
    document = pypdfium2.PdfDocument(path)
    text: str = document[0].get_textpage().get_text_bounded()
    document.close()
    return text


def poppler_text(path: Path, *options: str) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed: apt install poppler-utils")
    done = subprocess.run(["pdftotext", *options, path, "-"], capture_output=True, text=True, check=True)
    return done.stdout


def same_words(text: str, expected: str) -> None:
    assert character_error_rate(expected, text) <= 0.003, text


class Places:
    """Where PDFium finds a word on a page; ``box in places`` allows for some points of difference."""

    def __init__(self, page: Any, word: str, points: float) -> None:
        self._points = points
        self._page = page.get_textpage()
        self.boxes = []
        search = self._page.search(word, match_case=True)
        while (found := search.get_next()) is not None:
            self._page.count_rects(*found)
            self.boxes.append(self._page.get_rect(0))

    def __contains__(self, box: tuple[float, ...]) -> bool:
        return any(each == pytest.approx(box, abs=self._points) for each in self.boxes)

    def __repr__(self) -> str:
        return repr(self.boxes)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image PDF of one page without text."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "page.jpg").write_bytes(PAGE.jpeg())
    pictures_to_pdf([str(folder / "page.jpg")], {}, str(folder / "plain.pdf"))
    return folder / "plain.pdf"


def test_text_is_appended_and_the_page_looks_as_before(plain: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.pdf"
    done = add_text_layer(str(plain), {"1": reading_of(PAGE)}, str(target), None)
    assert done == {"pages": 1, "rewritten": False, "encryption": "none"}
    assert target.read_bytes().startswith(plain.read_bytes())
    assert drawn(target) == drawn(plain)
    for text in (pdfium_text(target), poppler_text(target)):
        same_words(text, PAGE.text)


def test_words_are_found_where_they_are_seen(plain: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.pdf"
    add_text_layer(str(plain), {"1": reading_of(PAGE)}, str(target), None)
    page = pypdfium2.PdfDocument(target)[0]
    height = page.get_height()
    for word, (left, top, right, bottom) in PAGE.words[:40:3]:
        expected = (left * 0.36, height - bottom * 0.36, right * 0.36, height - top * 0.36)
        assert expected in Places(page, word, 3), word


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_turned_and_cropped_pages_with_units_of_their_own(plain: Path, tmp_path: Path, turned: int) -> None:
    source, target = tmp_path / "in.pdf", tmp_path / "out.pdf"
    writer = PdfWriter(clone_from=plain)
    page = writer.pages[0]
    width, height = (float(each) for each in page.mediabox[2:])
    page.cropbox = RectangleObject((36, 72, width, height))
    page[NameObject("/UserUnit")] = NumberObject(2)
    # The scan is stored turned, and /Rotate puts it right.
    stored = PAGE.image.crop((100, 0, PAGE.image.width, PAGE.image.height - 200))
    page.rotate(turned)
    writer.write(source)
    seen = pypdfium2.PdfDocument(source)[0].render(scale=1).to_pil().size
    record = reading_of(PAGE, (100, 0, PAGE.image.width, PAGE.image.height - 200))
    assert stored.size == tuple(record["size"])
    reading = PageReading.from_record(record)
    if turned:
        # What is seen is the turned picture: the reading of that has its boxes turned the same way.
        reading = _turned(reading, turned)
    assert (reading.size[0] > reading.size[1]) == (seen[0] > seen[1])
    add_text_layer(str(source), {"1": reading.as_record()}, str(target), None)
    assert drawn(target) == drawn(source)
    page = pypdfium2.PdfDocument(target)[0]
    left, bottom, right, top = page.get_cropbox()
    for word in reading.words[3:30:9]:
        xs = [each / reading.size[0] for each in (word.x0, word.x1)]
        ys = [each / reading.size[1] for each in (word.y0, word.y1)]
        # Where what is seen lies on the page before viewers turn it: parts of its width and height, from above.
        across = {0: xs, 90: ys, 180: [1 - x for x in xs], 270: [1 - y for y in ys]}[turned]
        down = {0: ys, 90: [1 - x for x in xs], 180: [1 - y for y in ys], 270: xs}[turned]
        x0, x1 = (left + each * (right - left) for each in sorted(across))
        y1, y0 = (top - each * (top - bottom) for each in sorted(down))
        assert (x0, y0, x1, y1) in Places(page, word.text, 3), word


def _turned(reading: PageReading, degrees: int) -> PageReading:
    """The reading of the same picture after it was turned clockwise."""
    words = []
    width, height = reading.size
    for word in reading.words:
        box = {
            90: (height - word.y1, word.x0, height - word.y0, word.x1),
            180: (width - word.x1, height - word.y1, width - word.x0, height - word.y0),
            270: (word.y0, width - word.x1, word.y1, width - word.x0),
        }[degrees]
        words.append(Word(word.text, *box, word.confidence, word.block, word.paragraph, word.line))
    size = (width, height) if degrees == 180 else (height, width)
    return PageReading(words, reading.text, 95.0, -degrees % 360, "detected", 0.0, False, False, 1.0, size)


def test_any_script_comes_back(plain: Path, tmp_path: Path) -> None:
    texts = ["Größe", "naïve", "Привет", "日本語", "한국어", "🐟x"]
    words = [
        Word(each, 100, 100 + 60 * row, 300, 140 + 60 * row, 90.0, 1, 1, row + 1)
        for row, each in enumerate(texts)
    ]
    reading = PageReading(words, text_of(words), 90.0, 0, "detected", 0.0, False, False, 1.0, (1654, 2338))
    target = tmp_path / "out.pdf"
    add_text_layer(str(plain), {"1": reading.as_record()}, str(target), None)
    assert pdfium_text(target).split() == texts
    assert poppler_text(target).split() == texts


def test_only_pages_that_were_read_are_touched(plain: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.pdf", tmp_path / "out.pdf"
    writer = PdfWriter()
    for _ in range(3):
        writer.append(plain)
    writer.add_metadata({"/Title": "Three"})
    writer.add_attachment("note.txt", b"kept")
    writer.write(source)
    add_text_layer(str(source), {"2": reading_of(PAGE)}, str(target), None)
    reader = PdfReader(target)
    assert [bool(page.extract_text().strip()) for page in reader.pages] == [False, True, False]
    assert reader.metadata is not None
    assert reader.metadata.title == "Three"
    assert reader.attachments["note.txt"] == [b"kept"]


def test_encryption_is_kept_where_the_password_is_known(plain: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.pdf", tmp_path / "out.pdf"
    writer = PdfWriter(clone_from=plain)
    writer.encrypt("secret", algorithm="AES-256")
    writer.write(source)
    done = add_text_layer(str(source), {"1": reading_of(PAGE)}, str(target), "secret")
    assert done == {"pages": 1, "rewritten": True, "encryption": "kept"}
    assert PdfReader(target).is_encrypted
    same_words(poppler_text(target, "-upw", "secret"), PAGE.text)


def _signed(plain: Path, target: Path) -> None:
    writer = PdfWriter(clone_from=plain)
    writer.root_object[NameObject("/AcroForm")] = DictionaryObject({NameObject("/SigFlags"): NumberObject(3)})
    writer.write(target)


def test_what_was_signed_stays_as_it_was(plain: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.pdf", tmp_path / "out.pdf"
    _signed(plain, source)
    add_text_layer(str(source), {"1": reading_of(PAGE)}, str(target), None)
    assert target.read_bytes().startswith(source.read_bytes())


def test_a_damaged_file_is_rewritten_and_a_broken_one_is_an_error(plain: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.pdf", tmp_path / "out.pdf"
    data = plain.read_bytes()
    source.write_bytes(data[: data.rindex(b"xref")])
    add_text_layer(str(source), {"1": reading_of(PAGE)}, str(target), None)
    same_words(pdfium_text(target), PAGE.text)
    source.write_bytes(b"%PDF-1.7 and nothing else")
    with pytest.raises(InputError):
        add_text_layer(str(source), {"1": reading_of(PAGE)}, str(target), None)


def test_jpeg_data_is_embedded_as_it_is(tmp_path: Path) -> None:
    data = PAGE.jpeg()
    (tmp_path / "page.jpg").write_bytes(data)
    target = tmp_path / "out.pdf"
    pictures_to_pdf([str(tmp_path / "page.jpg")], {"1": reading_of(PAGE)}, str(target))
    assert data in target.read_bytes()
    page = PdfReader(target).pages[0]
    assert float(page.mediabox.width) == pytest.approx(PAGE.image.width / 200 * 72, abs=0.1)
    same_words(poppler_text(target), PAGE.text)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_other_pictures_are_kept_without_loss(tmp_path: Path, mode: str) -> None:
    picture = PAGE.image.reduce(4).convert("RGB").convert(mode)
    picture.save(tmp_path / "page.png", dpi=(72, 72))
    target = tmp_path / "out.pdf"
    pictures_to_pdf([str(tmp_path / "page.png")], {}, str(target))
    image = PdfReader(target).pages[0].images[0].image
    assert image is not None
    assert image.convert("RGB").tobytes() == picture.convert("RGB").tobytes()


def test_a_picture_turned_by_exif_is_seen_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (200, 100), "white")
    picture.paste("red", (0, 0, 50, 50))
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        buffer = BytesIO()
        picture.save(buffer, "JPEG", exif=exif, dpi=(100, 100), quality=95)
        (tmp_path / "page.jpg").write_bytes(buffer.getvalue())
        pictures_to_pdf([str(tmp_path / "page.jpg")], {}, str(tmp_path / "out.pdf"))
        page = pypdfium2.PdfDocument(tmp_path / "out.pdf")[0]
        shown = page.render(scale=100 / 72).to_pil().convert("RGB")
        from PIL import ImageOps

        expected = ImageOps.exif_transpose(Image.open(tmp_path / "page.jpg"))
        assert shown.size == expected.size
        for at in ((20, 20), (shown.width - 20, 20), (20, shown.height - 20)):
            ours, theirs = shown.getpixel(at), expected.getpixel(at)
            assert isinstance(ours, tuple)
            assert isinstance(theirs, tuple)
            assert abs(ours[1] - theirs[1]) < 30, (orientation, at)


def test_each_frame_is_a_page(tmp_path: Path) -> None:
    frames = [Image.new("1", (300, 400), each) for each in (0, 1, 0)]
    frames[0].save(tmp_path / "fax.tif", save_all=True, append_images=frames[1:], dpi=(204, 98))
    assert pictures_to_pdf([str(tmp_path / "fax.tif")], {}, str(tmp_path / "out.pdf"))["pages"] == 3
    box = PdfReader(tmp_path / "out.pdf").pages[2].mediabox
    assert (float(box.width), float(box.height)) == pytest.approx((300 / 204 * 72, 400 / 98 * 72), abs=0.1)


def test_what_is_no_picture_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"page\.png"):
        pictures_to_pdf([str(tmp_path / "page.png")], {}, str(tmp_path / "out.pdf"))
