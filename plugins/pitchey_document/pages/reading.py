"""Read pages one after another: text layer or recognition, and a picture. This runs in an isolated process.

What is large (the text, the words with their places, the pictures) goes to files in a folder that outlives the process;
what is told of a page is a small record. So a page that kills the process takes only itself down.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from pitchey_core.errors import InputError, PitcheyError
from pitchey_document.pages.contents import ContentWriter
from pitchey_document.pages.judging import Decision, decide, judge, tidy
from pitchey_document.pages.sources import Page, PageSource, open_pages

if TYPE_CHECKING:
    from PIL import Image

    from pitchey_document.ocr.words import PageReading

__all__ = ["PICTURE_SUFFIXES", "TIME_UP", "PageOrder", "failed_page", "picture_path", "read_pages"]

PICTURE_SUFFIXES: Final = {"webp": "webp", "jpeg": "jpg", "png": "png"}
_SAVE_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    # Method 2 of 6 costs a third of the default's time for 3 % more bytes on pages of text.
    "webp": {"quality": 80, "method": 2},
    "jpeg": {"quality": 85},
    "png": {"compress_level": 3},
}
_LOWEST_DPI: Final = 150.0
_BLANK_CONTRAST: Final = 24
_MOST_CHARACTERS: Final = 200_000
"""Of a page's text; a page of a newspaper has 30,000."""
TIME_UP: Final = "the job's time was up before this page"
_TALLEST: Final = 16383
"""Pixels of a side that WebP takes; the tape of a till would be drawn taller."""


@dataclass(frozen=True, slots=True)
class PageOrder:
    """What to do with each page; JSON data.

    Attributes:
        folder: Where page files go.
        mode: Of recognition: ``auto``, ``always`` or ``never``.
        text: Whether any text is wanted.
        engine: Record of the OCR engine; ``None`` where it is off.
        languages: The engine's codes.
        dpi: Resolution of recognition; ``None``: the scan's own.
        picture_width: In pixels; ``None``: no pictures of pages are wanted.
        page_seconds: Most wall time of one page.
        most_pixels: Of a picture that is decoded.
    """

    folder: str
    kind: str
    mode: str = "never"
    text: bool = True
    engine: dict[str, Any] | None = None
    languages: tuple[str, ...] = ()
    dpi: float | None = None
    password: str | None = None
    picture_width: int | None = None
    picture_format: str = "webp"
    page_seconds: float = 60.0
    most_pixels: int = 128_000_000

    def as_record(self) -> dict[str, Any]:
        return asdict(self)


def picture_path(folder: str | Path, number: int, format_name: str) -> Path:
    """Where the picture of a page stands."""
    return Path(folder, f"{number:06}.{PICTURE_SUFFIXES[format_name]}")


def read_pages(
    path: str, numbers: Sequence[int], order: dict[str, Any], seconds: float | None
) -> Iterator[Any]:
    """Read pages and yield a record of each, as for :class:`~pitchey_document.facts.PageFacts`.

    A record also has ``words``, their number, and ``content``: where the text of the page (``text``) and what was
    recognised (``reading``) stand, for :func:`~pitchey_document.pages.contents.read_content`.

    Args:
        numbers: From 1.
        order: Record of a :class:`PageOrder`.
        seconds: Wall time for all; pages that are not reached by then are reported as failed.

    Raises:
        InputError: The document cannot be opened.
    """
    wanted = PageOrder(**{**order, "languages": tuple(order["languages"])})
    ends = None if seconds is None else time.monotonic() + seconds
    source = open_pages(path, wanted.kind, password=wanted.password, most_pixels=wanted.most_pixels)
    with ContentWriter(wanted.folder) as contents:
        yield from _records(source, numbers, wanted, ends, contents)


def _records(
    source: PageSource, numbers: Sequence[int], wanted: PageOrder, ends: float | None, contents: ContentWriter
) -> Iterator[dict[str, Any]]:
    for number in numbers:
        began = time.monotonic()
        left = wanted.page_seconds if ends is None else min(wanted.page_seconds, ends - began)
        if left <= 0:
            yield failed_page(number, TIME_UP)
            continue
        # The kernel ends the process, wherever in a library it hangs; the supervisor goes on behind this page.
        signal.setitimer(signal.ITIMER_REAL, left)
        try:
            with source.page(number) as page:
                record = _read(page, number, wanted, contents)
        except PitcheyError as error:
            record = failed_page(number, error.message)
        except MemoryError:
            record = failed_page(number, "it needs more memory than it may use")
        except Exception as error:  # noqa: BLE001 - three libraries meet hostile input here; the others go on
            record = failed_page(number, f"{type(error).__name__}: {str(error)[:300]}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        yield {**record, "seconds": round(time.monotonic() - began, 4)}


def failed_page(number: int, words: str) -> dict[str, Any]:
    """The record of a page that could not be read."""
    return {"number": number, "source": "failed", "reason": "it could not be read", "error": words}


def _read(page: Page, number: int, order: PageOrder, contents: ContentWriter) -> dict[str, Any]:
    width, height = page.size
    record: dict[str, Any] = {
        "number": number,
        "width_pt": round(width, 2),
        "height_pt": round(height, 2),
        "source": "none",
        "reason": "no text is wanted",
    }
    if order.text:
        record |= _read_text(page, order, contents)
    if order.picture_width is not None:
        _picture(page, order.picture_width).save(
            picture_path(order.folder, number, order.picture_format),
            format=order.picture_format.upper(),
            **_SAVE_OPTIONS[order.picture_format],
        )
    return record


def _read_text(page: Page, order: PageOrder, contents: ContentWriter) -> dict[str, Any]:
    layer = page.text()
    cut = len(layer) > _MOST_CHARACTERS
    layer = tidy(layer[:_MOST_CHARACTERS])
    decision = decide(order.mode, layer, page)
    if decision.recognise and order.engine is None and layer.strip():
        decision = Decision("off", f"{decision.reason}; there is no OCR engine")
    text, reading, told = layer, None, {}
    if decision.recognise:
        reading, dpi = _recognise(page, order)
        decision = _better(layer, reading, decision)
        if reading is not None and decision.recognise:
            text = reading.text
            told = {
                "confidence": None if reading.confidence is None else round(reading.confidence, 1),
                "rotation": reading.rotation,
                "skew_degrees": round(reading.skew_degrees, 2),
                "dpi": round(dpi, 1),
            }
        else:
            reading = None
    content = {"text": text, "reading": reading.as_record() if reading is not None else None}
    source = "ocr" if reading is not None else "text-layer"
    words = text.split()
    return {
        "source": source if words else "none",
        "reason": decision.reason
        + (f"; only its first {_MOST_CHARACTERS} characters are kept" if cut else ""),
        "characters": sum(map(len, words)),
        "words": len(words),
        "content": contents.add(content),
        **told,
    }


def _recognise(page: Page, order: PageOrder) -> tuple[PageReading | None, float]:
    """The reading of a page, ``None`` if it is blank, and the resolution at which it was drawn.

    Raises:
        InputError: It cannot be drawn.
        LimitExceeded: It takes too long.
    """
    from pitchey_document.ocr.engine import Engine
    from pitchey_document.ocr.preparing import TARGET_DPI
    from pitchey_document.ocr.reading import read_picture

    if order.engine is None:
        raise InputError("the page needs OCR, and there is no engine")
    _, scanned_dpi = page.pictured()
    # A scan is drawn with its own pixels, up to what recognition wants to see.
    dpi = page.drawable_dpi(order.dpi or min(max(scanned_dpi or TARGET_DPI, _LOWEST_DPI), TARGET_DPI))
    picture = page.draw(dpi, colour=False)
    darkest, lightest = cast("tuple[int, int]", picture.getextrema())
    if lightest - darkest < _BLANK_CONTRAST:
        return None, dpi
    known = dpi if order.kind == "pdf" or scanned_dpi is not None else None
    reading = read_picture(
        picture,
        Engine.from_record(order.engine),
        dpi=known,
        languages=order.languages,
        # Before the alarm, so that the page fails with words.
        timeout=order.page_seconds * 0.9,
        target_dpi=order.dpi or TARGET_DPI,
    )
    return reading, dpi


def _better(layer: str, reading: PageReading | None, decision: Decision) -> Decision:
    """The text layer of a page stays where recognition finds less, or finds what looked wrong in the layer, too."""
    if reading is None:
        return Decision("blank", "the page is blank")
    if not reading.words:
        return Decision("good", f"{decision.reason}; recognition found nothing")
    if decision.finding == "stamp" and len(reading.text) < len(layer):
        return Decision("good", "recognition found less than the text layer has")
    if decision.finding == "junk" and judge(reading.text) is not None:
        # Listings of a machine's code and tables of acronyms have few vowels, whoever reads them.
        return Decision("good", "the text layer is good: recognition finds the same kind of words")
    return decision


def _picture(page: Page, width: int) -> Image.Image:
    from PIL import Image

    across, down = page.size
    picture = page.draw(72.0 * min(width / max(across, 1.0), _TALLEST / max(down, 1.0)), colour=True)
    # A page is drawn a pixel larger where its size is no whole number; a picture as large as it is.
    picture.thumbnail((width, _TALLEST), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return picture
