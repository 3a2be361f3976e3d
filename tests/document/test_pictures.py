"""Pictures as phones, scanners and drawing programs write them: read whole, whatever else is in the file."""

from __future__ import annotations

import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from document_samples import raw_pdf, stream
from document_scans import character_error_rate, scanned
from PIL import Image, ImageDraw, ImageOps, PngImagePlugin
from pypdf import PdfReader
from video_jobs import JobBench

from pitchey_core.errors import InputError
from pitchey_core.registry import Registry
from pitchey_core.resources import GIB, Limits
from pitchey_core.tools import ToolTable
from pitchey_document.ocr.engine import Engine, engine_of
from pitchey_document.ocr.reading import read_picture
from pitchey_document.ocr.searchable import pictures_to_pdf
from pitchey_document.ocr.words import PageReading, Word
from pitchey_document.pages.sources import open_pages
from pitchey_document.pictures import flat


def cornered(size: tuple[int, int] = (600, 300)) -> Image.Image:
    """White with a red corner at the upper left."""
    picture = Image.new("RGB", size, "white")
    picture.paste("red", (0, 0, size[0] // 4, size[1] // 4))
    return picture


def with_exif(picture: Image.Image, exif: bytes) -> bytes:
    """A JPEG with an EXIF segment of any content."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", dpi=(150, 150), quality=95)
    data = buffer.getvalue()
    body = b"Exif\0\0" + exif
    return data[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]


def is_red(picture: Image.Image, at: tuple[int, int]) -> bool:
    red, green, blue = picture.convert("RGB").getpixel(at)  # type: ignore[misc]
    return bool(red > 180 and green < 90 and blue < 90)


def drawn(pdf: Path, page: int = 0, scale: float = 1.0) -> Image.Image:
    document = pypdfium2.PdfDocument(pdf)
    picture: Image.Image = document[page].render(scale=scale).to_pil().convert("RGB")
    document.close()
    return picture


@pytest.mark.parametrize("exif", [b"GARBAGEGARBAGE", b"II*\0\x08\0\0\0\x40\0\x12\x01\x03\0", b""])
def test_a_picture_with_broken_exif_is_read(bench: JobBench, tmp_path: Path, exif: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(with_exif(cornered(), exif))
    done = bench.run(tmp_path / "photo.jpg", outputs=["pdf", "previews"], preview_width=300)
    assert (done.facts.pages[0].width_pt, done.facts.pages[0].height_pt) == (288.0, 144.0)
    assert is_red(Image.open(done.files["photo-page-001.webp"]), (20, 20))
    assert is_red(drawn(done.files["photo.pdf"]), (20, 20))


@pytest.mark.parametrize("suffix", ["jpg", "tiff", "png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_seen_as_its_orientation_says(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{suffix}"
    cornered((200, 100)).save(path, exif=exif, dpi=(100, 100))
    with Image.open(path) as file:
        seen = ImageOps.exif_transpose(file).convert("RGB")
    with open_pages(str(path), "jpeg", password=None, most_pixels=10**6).page(1) as page:
        assert page.size == pytest.approx((seen.width * 0.72, seen.height * 0.72), abs=0.1)
        ours = page.draw(100, colour=True)
    assert pictures_to_pdf([str(path)], {}, str(tmp_path / "out.pdf"))["pages"] == 1
    for shown in (ours, drawn(tmp_path / "out.pdf", scale=100 / 72)):
        # PNG stores whole dots per metre, and PDFium rounds up.
        assert shown.size == pytest.approx(seen.size, abs=1)
        for at in ((10, 10), (seen.width - 10, 10), (10, seen.height - 10)):
            assert is_red(shown, at) == is_red(seen, at), at


def test_only_frames_that_are_pages_are_pages(bench: JobBench, tmp_path: Path) -> None:
    first, second = cornered(), Image.new("RGB", (300, 150), "blue")
    first.save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[second], dpi=(150, 150))
    first.save(tmp_path / "film.png", save_all=True, append_images=[ImageOps.mirror(first)], duration=100)
    for name in ("phone.jpg", "film.png"):
        done = bench.run(tmp_path / name, outputs=["pdf", "previews"], preview_width=300)
        assert done.facts.page_count == 1, name
        stem = name.partition(".")[0]
        assert len(PdfReader(done.files[f"{stem}.pdf"]).pages) == 1
        for shown in (drawn(done.files[f"{stem}.pdf"]), Image.open(done.files[f"{stem}-page-001.webp"])):
            assert is_red(shown, (20, 20)), name
    first.save(tmp_path / "two.webp", save_all=True, append_images=[ImageOps.mirror(first)])
    assert bench.run(tmp_path / "two.webp", outputs=["previews"]).facts.page_count == 2


def test_a_drawing_inside_a_png_is_no_damage(bench: JobBench, tmp_path: Path) -> None:
    inside = PngImagePlugin.PngInfo()
    inside.add_text("mxfile", "<x>" * 1_000_000, zip=True)
    cornered().save(tmp_path / "drawing.png", pnginfo=inside)
    done = bench.run(tmp_path / "drawing.png", outputs=["pdf", "previews"])
    assert is_red(Image.open(done.files["drawing-page-001.webp"]), (20, 20))
    assert len(PdfReader(done.files["drawing.pdf"]).pages) == 1


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["RGBA", "I;16"])
def test_the_largest_pictures_fit_the_default_memory(bench: JobBench, tmp_path: Path, mode: str) -> None:
    bench.limits = Limits(wall_seconds=300.0, memory_bytes=2 * GIB, vcpus=2.0)
    picture = Image.new(mode, (11_300, 11_300), (255, 0, 0, 128) if mode == "RGBA" else 0)
    if mode == "I;16":
        picture.paste(65535, (0, 0, 5000, 5000))
    picture.save(tmp_path / "large.png", compress_level=1)
    done = bench.run(tmp_path / "large.png", outputs=["pdf", "previews", "text"], ocr="always")
    with Image.open(done.files["large-page-001.webp"]) as shown:
        expected = (255, 127, 127) if mode == "RGBA" else (255, 255, 255)
        assert shown.convert("RGB").getpixel((20, 20)) == pytest.approx(expected, abs=4)
    assert "large.pdf" in done.files


def test_a_picture_beyond_pillows_own_limit_becomes_a_pdf(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The limit itself is lowered: a picture of 180 million pixels takes long to write.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    cornered().save(tmp_path / "large.png")
    assert pictures_to_pdf([str(tmp_path / "large.png")], {}, str(tmp_path / "out.pdf"))["pages"] == 1


def test_transparency_is_white_paper_and_stays_transparent_in_a_pdf(tmp_path: Path) -> None:
    ink = Image.new("L", (60, 60), 255)
    ImageDraw.Draw(ink).rectangle((0, 0, 29, 59), fill=0)
    alpha = ImageOps.invert(ink)
    rgba, la = (Image.new(mode, ink.size, (0,) * len(mode)) for mode in ("RGBA", "LA"))
    for each in (rgba, la):
        each.putalpha(alpha)
    palette = ink.convert("P")
    palette.info["transparency"] = 255
    for picture in (rgba, la, palette):
        before = picture.tobytes()
        assert flat(picture, "L").tobytes() == ink.tobytes(), picture.mode
        assert flat(picture, "RGB").tobytes() == ink.convert("RGB").tobytes(), picture.mode
        assert picture.tobytes() == before
    half = Image.new("RGBA", (1, 1), (200, 100, 0, 128))
    assert flat(half, "RGB").getpixel((0, 0)) == pytest.approx((227, 177, 127), abs=1)
    rgba.save(tmp_path / "ink.png", dpi=(72, 72))
    pictures_to_pdf([str(tmp_path / "ink.png")], {}, str(tmp_path / "out.pdf"))
    xobject: Any = PdfReader(tmp_path / "out.pdf").pages[0]["/Resources"]["/XObject"]["/Picture"]  # type: ignore[index]
    assert xobject["/SMask"].get_data() == alpha.tobytes()


def test_deep_grey_is_stretched_and_blank_paper_is_not() -> None:
    ramp = Image.new("I;16", (2, 1))
    for mode in ("I;16", "I", "F"):
        deep = ramp.convert(mode) if mode != "F" else ramp.convert("I").convert("F")
        deep.putpixel((0, 0), 300)
        deep.putpixel((1, 0), 4095)
        assert flat(deep, "L").tobytes() == b"\0\xff", mode
    ramp.putpixel((0, 0), 65000)
    ramp.putpixel((1, 0), 65300)
    assert min(flat(ramp, "L").tobytes()) > 250


# -- PDFs of frames -------------------------------------------------------------------------------------------------


def fax(path: Path, *, frames: int = 5, damaged: int | None = None) -> Path:
    """A TIFF whose frame n has n red corners' width; one of them may be damaged."""
    pictures = [Image.new("RGB", (600, 300), "white") for _ in range(frames)]
    for number, picture in enumerate(pictures, 1):
        picture.paste("red", (0, 0, 100 * number, 100))
    pictures[0].save(path, save_all=True, append_images=pictures[1:], compression="tiff_lzw", dpi=(72, 72))
    if damaged is not None:
        with Image.open(path) as file:
            file.seek(damaged - 1)
            offsets, counts = file.tag_v2[273], file.tag_v2[279]  # type: ignore[attr-defined]
        data = bytearray(path.read_bytes())
        for start, count in zip(offsets, counts, strict=True):
            data[start : start + count] = b"\xff" * count
        path.write_bytes(data)
    return path


def frames_of(pdf: Path) -> list[int]:
    """Which frames of a :func:`fax` the pages show."""
    pages = [drawn(pdf, number) for number in range(len(PdfReader(pdf).pages))]
    return [sum(is_red(page, (100 * place + 50, 50)) for place in range(6)) for page in pages]


def reading(word: str) -> dict[str, Any]:
    words = [Word(word, 10, 10, 200, 60, 95.0, 1, 1, 1)]
    return PageReading(words, word, 95.0, 0, "detected", 0.0, False, False, 1.0, (600, 300)).as_record()


def test_a_damaged_frame_is_missing_alone(tmp_path: Path) -> None:
    source, target = fax(tmp_path / "fax.tif", damaged=3), tmp_path / "out.pdf"
    readings = {str(number): reading(f"frame{number}") for number in range(1, 6)}
    assert pictures_to_pdf([str(source)], readings, str(target)) == {"pages": 4, "missing": [3]}
    assert frames_of(target) == [1, 2, 4, 5]
    texts = [page.extract_text().strip() for page in PdfReader(target).pages]
    assert texts == ["frame1", "frame2", "frame4", "frame5"]


def test_chosen_frames_become_pages_with_their_own_text(tmp_path: Path) -> None:
    sources = [fax(tmp_path / "one.tif", frames=3), fax(tmp_path / "two.tif", frames=2)]
    target = tmp_path / "out.pdf"
    readings = {str(number): reading(f"frame{number}") for number in (2, 3, 4)}
    done = pictures_to_pdf([str(each) for each in sources], readings, str(target), pages=[2, 4, 5])
    assert done == {"pages": 3, "missing": []}
    assert frames_of(target) == [2, 1, 2]
    assert [page.extract_text().strip() for page in PdfReader(target).pages] == ["frame2", "frame4", ""]
    with pytest.raises(InputError, match="no frame is selected"):
        pictures_to_pdf([str(sources[0])], {}, str(target), pages=[9])


def test_without_any_good_frame_there_is_no_pdf(tmp_path: Path) -> None:
    source = fax(tmp_path / "fax.tif", frames=2, damaged=1)
    with pytest.raises(InputError, match=r"fax\.tif.*no frame"):
        pictures_to_pdf([str(source)], {}, str(tmp_path / "out.pdf"), pages=[1])


# -- pages of PDFs --------------------------------------------------------------------------------------------------


def small_print(path: Path, *, logo: tuple[int, int, int, int], pixels: int = 30) -> Path:
    """A page of small print with a picture at a place (left, bottom, width, height)."""
    left, bottom, width, height = logo
    lines = b"".join(
        b"(Small print number %d of the agreement between the parties is set in seven point type.) Tj T*\n"
        % each
        for each in range(30)
    )
    content = (
        b"q %d 0 0 %d %d %d cm /X Do Q\n" % (width, height, left, bottom)
        + b"BT /F 7 Tf 8 TL 40 740 Td\n"
        + lines
        + b"ET"
    )
    grey = stream(
        b"\xc0" * pixels**2,
        b"/Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 8"
        b" /Width %d /Height %d" % (pixels, pixels),
    )
    path.write_bytes(
        raw_pdf(
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 6 0 R /Resources"
            b" << /Font << /F 4 0 R >> /XObject << /X 5 0 R >> >> >>",
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            grey,
            stream(content),
        )
    )
    return path


def test_a_logo_does_not_decide_at_which_resolution_a_page_is_read(bench: JobBench, tmp_path: Path) -> None:
    source = small_print(tmp_path / "logo.pdf", logo=(500, 20, 60, 60))
    done = bench.run(source, ocr="always", outputs=["text"])
    assert (done.facts.pages[0].dpi, done.facts.pages[0].rotation) == (200.0, 0)
    assert done.facts.pages[0].confidence > 90
    for share, expected in (((0, 0, 600, 600), 72.0), ((0, 0, 600, 300), None)):
        path = small_print(tmp_path / "share.pdf", logo=share, pixels=600)
        with open_pages(str(path), "pdf", password=None, most_pixels=0).page(1) as page:
            assert page.pictured()[1] == expected


@pytest.fixture(scope="module")
def host(registry: Registry) -> Engine:
    engine = engine_of(Path(ToolTable(registry.tools).path("tesseract")))
    if not engine.has_orientation:
        pytest.skip("this host's tesseract lacks orientation data: apt install tesseract-ocr-osd")
    return engine


def test_a_page_is_not_turned_on_the_word_of_the_engine_alone(host: Engine, tmp_path: Path) -> None:
    source = small_print(tmp_path / "logo.pdf", logo=(500, 20, 60, 60))
    with open_pages(str(source), "pdf", password=None, most_pixels=0).page(1) as page:
        picture = page.draw(150, colour=False)
    picture.save(tmp_path / "page.pgm")
    told = subprocess.run(
        [host.path, tmp_path / "page.pgm", "-", "--psm", "0", "--dpi", "150"], capture_output=True, text=True
    )
    if "Rotate: 0" in told.stdout:
        pytest.skip("this host's engine knows that the page is upright")
    read = read_picture(picture, host, dpi=150, languages=["eng"], timeout=100)
    assert (read.rotation, read.orientation) == (0, "detected")
    assert read.text.startswith("Small print number 0 of the agreement")


def test_a_poor_page_on_its_head_is_turned_all_the_same(host: Engine) -> None:
    page = scanned("hard150", 6, paragraphs=3, skew_degrees=0.0)
    read = read_picture(page.image.rotate(180), host, dpi=page.dpi, languages=["eng"], timeout=100)
    assert read.rotation == 180
    assert character_error_rate(page.text, read.text) <= 0.03


def test_time_that_runs_out_on_a_second_look_keeps_the_first(
    host: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that is slow to tell the orientation, and a page of few words, which is not convincing."""
    slow = tmp_path / "tesseract"
    real = shutil.which(host.path) or host.path
    slow.write_text(f'#!/bin/sh\ncase "$*" in *"psm 0"*) sleep 60;; esac\nexec {real} "$@"\n')
    slow.chmod(0o755)
    picture = Image.new("L", (300, 100), 255)
    ImageDraw.Draw(picture).text((40, 30), "Harbour", fill=0, font_size=32)
    engine = Engine(str(slow), host.tessdata, host.version, host.languages)
    read = read_picture(picture, engine, dpi=150, languages=["eng"], timeout=4)
    assert (read.text, read.rotation, read.orientation) == ("Harbour", 0, "unsure")
