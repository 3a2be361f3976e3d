"""Readings as hOCR 1.2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from pitchey_document.ocr.words import PageReading, Word

__all__ = ["write_hocr"]

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
<head>
<title>{title}</title>
<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
<meta name="ocr-system" content="{engine}"/>
<meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_par ocr_line ocrx_word"/>
<meta name="ocr-number-of-pages" content="{pages}"/>
</head>
<body>
"""


def write_hocr(readings: Iterable[tuple[int, PageReading]], target: Path, *, title: str, engine: str) -> None:
    """Write pages, by number from 1, into one hOCR file.

    Args:
        title: Of the document.
        engine: What recognised it, for example ``tesseract 5.5.2``.
    """
    pages = list(readings)
    with target.open("w", encoding="utf-8") as file:
        file.write(_HEAD.format(title=escape(title), engine=escape(engine), pages=len(pages)))
        for number, reading in pages:
            file.writelines(_page(number, reading))
        file.write("</body>\n</html>\n")


def _page(number: int, reading: PageReading) -> Iterator[str]:
    width, height = reading.size
    turned = f"; textangle {-reading.rotation % 360}" if reading.rotation else ""
    yield (
        f'<div class="ocr_page" id="page_{number}" '
        f'title="bbox 0 0 {width} {height}; ppageno {number - 1}{turned}">\n'
    )
    for block, in_block in groupby(reading.words, key=lambda word: word.block):
        area = list(in_block)
        place = f"{number}_{block}"
        yield f'<div class="ocr_carea" id="block_{place}" title="{_bbox(area)}">\n'
        for paragraph, in_paragraph in groupby(area, key=lambda word: word.paragraph):
            words = list(in_paragraph)
            yield f'<p class="ocr_par" id="par_{place}_{paragraph}" title="{_bbox(words)}">\n'
            for line, in_line in groupby(words, key=lambda word: word.line):
                yield _line(f"{place}_{paragraph}_{line}", list(in_line))
            yield "</p>\n"
        yield "</div>\n"
    yield "</div>\n"


def _line(place: str, words: Sequence[Word]) -> str:
    spans = " ".join(
        f'<span class="ocrx_word" id="word_{place}_{index}" '
        f'title="{_bbox([word])}; x_wconf {round(word.confidence)}">{escape(_printable(word.text))}</span>'
        for index, word in enumerate(words, 1)
    )
    return f'<span class="ocr_line" id="line_{place}" title="{_bbox(words)}">{spans}</span>\n'


def _bbox(words: Sequence[Word]) -> str:
    left, top = min(word.x0 for word in words), min(word.y0 for word in words)
    return f"bbox {left} {top} {max(word.x1 for word in words)} {max(word.y1 for word in words)}"


def _printable(text: str) -> str:
    # XML has no way to write these.
    return "".join(character for character in text if character >= " " and character not in "\ufffe\uffff")
