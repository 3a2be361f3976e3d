"""How well are bad scans read: 150 dpi, pale print, uneven light, a fold, skew up to 2 degrees, JPEG of quality 45?

Ours is the whole ``document`` job on an image PDF; the peers are bare tesseract on the same pictures and ocrmypdf at
the better of two settings: with ``--deskew`` and tesseract's adaptive threshold (Sauvola), or with ``--deskew
--oversample 300`` alone. Fonts, words, seeds and model of the light are not those that preparation was tuned with.

With the folder of ocrmypdf's own test resources in ``PITCHEY_BENCH_SCANS`` (they come with its source distribution),
the real scan among them that has its text beside it is reported too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench_document_ocr import Read, bare, read_job, tesseract_of, version_of, with_ocrmypdf, write_pages
from harness import Bench, at_least, at_most, in_turn, run_benchmark
from workbench import WarmSlot, Workbench, workbench

from pitchey_document.ocr.engine import engine_of
from pitchey_document.ocr.searchable import pictures_to_pdf

# isort: split
from document_scans import Scan, character_error_rate, scanned

PAGES = 4
FIRST_SEED = 100
REAL = "linn"
SETTINGS = (
    ("--deskew", "--tesseract-thresholding", "sauvola"),
    ("--deskew", "--oversample", "300"),
)
SCANS = os.environ.get("PITCHEY_BENCH_SCANS")


def measure(bench: Bench) -> None:
    pages = [scanned("hard150", seed) for seed in range(FIRST_SEED, FIRST_SEED + PAGES)]
    program = shutil.which("ocrmypdf")
    with workbench() as work, work.warm_slot() as slot:
        tesseract = tesseract_of(work)
        bench.fact("tesseract", engine_of(tesseract).version)
        bench.fact("pages", PAGES)
        pictures = write_pages(pages, work.root)
        pdf = work.root / "hard.pdf"
        pictures_to_pdf([str(path) for path in pictures], {}, str(pdf))
        errors = bench.compare(
            "character errors", against="bare tesseract", unit="%", by="ours", goal=at_most(1.0)
        )
        speed = bench.compare("pages read", against="bare tesseract", unit="pages/min", by="ratio")
        if program is None:
            bench.note("ocrmypdf is not on PATH: not compared (pip install ocrmypdf)")
        else:
            name = f"ocrmypdf {version_of(program)}, best of {len(SETTINGS)}"
            errors_peer = bench.compare(
                "character errors", against=name, unit="%", by="ours", goal=at_most(1.0)
            )
            speed_peer = bench.compare(
                "pages read", against=name, unit="pages/min", by="ratio", goal=at_least(1.0)
            )
        for number in bench.rounds():
            ours, plain = in_turn(
                number, partial(read_job, work, slot, pdf, ["text"]), partial(bare, tesseract, pictures)
            )
            errors.add(ours.error_rate(pages), plain.error_rate(pages))
            speed.add(_per_minute(ours), _per_minute(plain))
            if program is not None:
                best = min(
                    (with_ocrmypdf(program, pdf, tesseract, *options) for options in SETTINGS),
                    key=lambda read: read.error_rate(pages),
                )
                errors_peer.add(ours.error_rate(pages), best.error_rate(pages))
                speed_peer.add(_per_minute(ours), _per_minute(best))
        bench.note("ours, page by page: " + ", ".join(f"{each:.2f} %" for each in _each(ours, pages)))
        _real(bench, work, slot, tesseract)


def _per_minute(read: Read) -> float:
    return 60 * len(read.texts) / read.cost.wall


def _each(read: Read, pages: Sequence[Scan]) -> list[float]:
    return [100 * character_error_rate(page.text, text) for page, text in zip(pages, read.texts, strict=True)]


def _real(bench: Bench, work: Workbench, slot: WarmSlot, tesseract: Path) -> None:
    if SCANS is None:
        bench.note("PITCHEY_BENCH_SCANS is not set: no real scans")
        return
    picture, truth = Path(SCANS, f"{REAL}.png"), Path(SCANS, f"{REAL}.txt").read_text("utf-8")
    pdf = work.root / f"{REAL}.pdf"
    pictures_to_pdf([str(picture)], {}, str(pdf))
    ours, plain = read_job(work, slot, pdf, ["text"]), bare(tesseract, [picture])
    rates = [100 * character_error_rate(truth, "\n".join(read.texts)) for read in (ours, plain)]
    bench.note(
        f"real scan {picture.name}: {rates[0]:.2f} % errors in {ours.cost.wall:.1f} s;"
        f" bare tesseract {rates[1]:.2f} % in {plain.cost.wall:.1f} s"
    )


if __name__ == "__main__":
    run_benchmark("OCR of hard pages", measure)
