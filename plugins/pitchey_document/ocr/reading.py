"""Read the picture of a page. This runs where it can be killed: in the isolated process that opens the document."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_core.errors import LimitExceeded, ToolFailed
from pitchey_document.ocr.engine import Engine
from pitchey_document.ocr.preparing import TARGET_DPI, Examined, Prepared, examine, finish, reduced
from pitchey_document.ocr.skew import looks_upright
from pitchey_document.ocr.words import Orientation, PageReading, Word, mean_confidence, text_of

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PageReading", "Word", "read_picture"]

_WORD_LEVEL = "5"
_SURE = 1.0
_CONVINCING = 70.0
"""Mean confidence of text that was surely upright; upside down it stays below 60."""
_FEW_WORDS = 5
_PLAINLY = 2.0
"""Times the weight of the other way up."""
_ORIENTATION_PIXELS = 1900
"""Longer side of the picture whose orientation is asked for; at 1300 the engine is often unsure, above it is slower."""


def read_picture(
    image: Image,
    engine: Engine,
    *,
    dpi: float | None,
    languages: Sequence[str],
    timeout: float,
    target_dpi: float = TARGET_DPI,
) -> PageReading:
    """Recognise the text of one page.

    Args:
        image: Any mode and size; it is not changed.
        engine: From :func:`~pitchey_document.ocr.engine.engine_of`.
        dpi: Resolution of the picture; ``None`` where it is not known.
        languages: Tesseract's codes, as :meth:`Engine.check` returns them.
        timeout: Seconds for everything.
        target_dpi: Resolution that recognition shall see; the picture is scaled to it.

    Raises:
        LimitExceeded: ``limit`` is ``wall``: recognition took longer than ``timeout``.
        ToolFailed: The engine ended with an error.
    """
    ends = time.monotonic() + timeout
    examined = examine(image, dpi=dpi)
    with tempfile.TemporaryDirectory(prefix="pitchey-ocr-") as name:
        folder = Path(name)

        def attempt(rotation: int, orientation: Orientation) -> _Attempt:
            prepared = finish(examined, rotation, target_dpi)
            words = _recognised(prepared, engine, languages, folder, ends)
            return _Attempt(rotation, orientation, prepared, words)

        def ask() -> tuple[int, Orientation]:
            return _orientation(examined, engine, folder, ends)

        # Asking the engine takes as much time as a third of the recognition, and nearly all pages are upright.
        guessed = not engine.has_orientation or looks_upright(examined.small)
        best = attempt(*((0, "detected") if guessed else ask()))
        if not engine.has_orientation:
            best.orientation = "unavailable"
        elif not best.convincing:
            # Now neither the guess nor the engine's word is believed, but the text that each gives.
            try:
                rotation, best.orientation = ask() if guessed else (0, best.orientation)
                if rotation != best.rotation:
                    best = _better(best, attempt(rotation, best.orientation))
            except LimitExceeded:
                best.orientation = "unsure"
    words, prepared = best.words, best.prepared
    return PageReading(
        words=words,
        text=text_of(words),
        confidence=mean_confidence(words),
        rotation=best.rotation,
        orientation=best.orientation,
        skew_degrees=round(prepared.skew_degrees, 3),
        background_divided=prepared.background_divided,
        inverted=prepared.inverted,
        scale=round(prepared.placement.scale, 4),
        size=image.size,
    )


@dataclass(slots=True)
class _Attempt:
    """What was read one way up."""

    rotation: int
    orientation: Orientation
    prepared: Prepared
    words: list[Word]

    @property
    def convincing(self) -> bool:
        """Whether it reads like text that is upright."""
        return len(self.words) >= _FEW_WORDS and (mean_confidence(self.words) or 0.0) >= _CONVINCING

    @property
    def weight(self) -> float:
        """Letters by the square of their confidence: much that was guessed does not outweigh some that was read."""
        return sum(len(word.text) * max(0.0, word.confidence) ** 2 for word in self.words)


def _better(told: _Attempt, other: _Attempt) -> _Attempt:
    """The one that reads better of two ways up; the orientation is known if that is plain to see."""
    better, worse = (told, other) if told.weight >= other.weight else (other, told)
    if not better.convincing and better.weight <= _PLAINLY * worse.weight:
        better.orientation = "unsure"
    return better


def _recognised(
    prepared: Prepared, engine: Engine, languages: Sequence[str], folder: Path, ends: float
) -> list[Word]:
    picture = folder / "page.pgm"
    prepared.image.save(picture)
    config = f"--dpi {round(prepared.dpi)} -c tessedit_create_tsv=1"
    printed = _tesseract(engine, picture, "tsv", "+".join(languages), config, ends)
    words: list[Word] = []
    for line in printed.splitlines():
        cells = line.split("\t")
        if cells[0] != _WORD_LEVEL or len(cells) < 12 or not cells[11].strip():
            continue
        left, top, width, height = (int(cell) for cell in cells[6:10])
        box = prepared.placement.to_source((left, top, left + width, top + height))
        block, paragraph, row = (int(cell) for cell in cells[2:5])
        words.append(Word(cells[11].strip(), *box, float(cells[10]), block, paragraph, row))
    return words


def _orientation(examined: Examined, engine: Engine, folder: Path, ends: float) -> tuple[int, Orientation]:
    picture = folder / "orientation.pgm"
    reduced(examined, _ORIENTATION_PIXELS).save(picture)
    try:
        printed = _tesseract(engine, picture, "osd", "osd", "--psm 0 --dpi 150", ends)
    except ToolFailed:
        # It ends with an error where there are too few characters.
        return 0, "unsure"
    turn = re.search(r"^Rotate: (\d+)", printed, re.MULTILINE)
    sure = re.search(r"^Orientation confidence: ([\d.]+)", printed, re.MULTILINE)
    if turn is None or sure is None or float(sure[1]) < _SURE:
        return 0, "unsure"
    return int(turn[1]) % 360, "detected"


def _tesseract(
    engine: Engine, picture: Path, extension: str, languages: str, config: str, ends: float
) -> str:
    from pytesseract import pytesseract

    remaining = ends - time.monotonic()
    if remaining <= 0:
        raise _too_long()
    pytesseract.tesseract_cmd = engine.path
    # pytesseract hands its own process's environment on.
    before = {name: os.environ.get(name) for name in engine.environment}
    os.environ.update(engine.environment)
    try:
        printed: str = pytesseract.run_and_get_output(
            os.fspath(picture), extension=extension, lang=languages, config=config, timeout=remaining
        )
    except pytesseract.TesseractError as error:
        raise ToolFailed(
            f"tesseract could not read the page: {str(error.message)[-300:]}",
            tool="tesseract",
            returncode=error.status,
            stderr_tail=str(error.message),
        ) from error
    except (RuntimeError, FileNotFoundError) as error:
        if time.monotonic() >= ends:
            raise _too_long() from error
        raise ToolFailed(f"tesseract wrote no result: {error}", tool="tesseract") from error
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return printed


def _too_long() -> LimitExceeded:
    return LimitExceeded(
        "recognising the text of a page took longer than allowed",
        limit="wall",
        remedy="raise the job's wall limit, lower dpi, or choose pages",
    )
