"""How fast is the text of a 200-page PDF, and how fast are pictures of its pages?

Ours is what the ``document`` processor's reader does with each page in its process: decide whether the text layer is
good, tidy it, write it down; pictures are drawn and saved as WebP or JPEG. The peers are pypdf in a warm process,
pdftotext, and pdftoppm. The lines of jobs are whole ones in a warm slot: with the start of the isolated processes,
metadata, outline, security facts, and publication.

The document is justified text in embedded TrueType fonts, as word processors write it.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from harness import Bench, Cost, at_least, expect, in_turn, run_benchmark, timed
from workbench import WarmSlot, Workbench, workbench

from pitchey_document.pages.contents import read_content
from pitchey_document.pages.reading import PageOrder, read_pages

PAGES = 200
DRAWN = 40
WIDTH = 1024
WORDS = """
morning fog lay over the harbour when ferry came in and nobody had expected letter least of all keeper light
she folded it twice put under lamp by noon whole village knew that bridge would be closed until further notice
"""


def measure(bench: Bench) -> None:
    with workbench() as work, work.warm_slot() as slot:
        source = _make(work.root / "book.pdf")
        bench.fact("document", f"{PAGES} pages, {source.stat().st_size / 1e3:.0f} kB, made with reportlab")
        truth = _words("\n".join(_pypdf(source)))
        _text(bench, work, slot, source, truth)
        _pictures(bench, work, source)


def _text(bench: Bench, work: Workbench, slot: WarmSlot, source: Path, truth: list[str]) -> None:
    name, job = f"text of {PAGES} pages, warm", f"document job, text of {PAGES} pages"
    against_pypdf = bench.compare(name, against="pypdf, warm", unit="s", by="saving", goal=at_least(5))
    job_pypdf = bench.compare(job, against="pypdf, warm", unit="s", by="saving")
    poppler = _version("pdftotext")
    peers: list[Callable[[], Cost]] = [lambda: timed(partial(_pypdf, source))[1]]
    if poppler is None:
        bench.note("pdftotext is not installed (apt install poppler-utils), so nothing is compared with it.")
    else:
        bench.fact("poppler", poppler)
        target = work.root / "peer.txt"
        peers.append(lambda: timed(partial(_run, "pdftotext", source, target))[1])
        against_poppler = bench.compare(name, against="pdftotext", unit="s", by="saving", goal=at_least(0.8))
        job_poppler = bench.compare(job, against="pdftotext", unit="s", by="saving")
    folder = work.root / "pages"
    folder.mkdir()
    _job(slot, work, source)
    found = _words(_written(folder, _ours(source, folder, PAGES)))
    expect(found == truth, "the words are not those that pypdf finds")
    for number in bench.rounds():
        ours, whole, *others = in_turn(
            number,
            lambda: timed(partial(_ours, source, folder, PAGES))[1],
            lambda: _job(slot, work, source),
            *peers,
        )
        against_pypdf.add(ours.wall, others[0].wall)
        job_pypdf.add(whole.wall, others[0].wall)
        if poppler is not None:
            against_poppler.add(ours.wall, others[1].wall)
            job_poppler.add(whole.wall, others[1].wall)


def _pictures(bench: Bench, work: Workbench, source: Path) -> None:
    if _version("pdftoppm") is None:
        bench.note("pdftoppm is not installed (apt install poppler-utils), so no pictures are compared.")
        return
    # Neither writes WebP nor PNG as fast as JPEG, so each is measured at what it writes by default and at JPEG.
    lines = {
        ("webp", "png"): bench.compare(
            f"pictures of pages, {WIDTH} across, WebP", against="pdftoppm, PNG", unit="pages/s", by="ratio"
        ),
        ("jpeg", "jpeg"): bench.compare(
            f"pictures of pages, {WIDTH} across, JPEG", against="pdftoppm, JPEG", unit="pages/s", by="ratio"
        ),
    }
    folder = work.root / "drawn"
    folder.mkdir()
    for number in bench.rounds():
        for (ours_format, peer_format), line in lines.items():
            ours, peer = in_turn(
                number,
                lambda wanted=ours_format: timed(partial(_ours, source, folder, DRAWN, wanted))[1],  # type: ignore[misc]
                lambda wanted=peer_format: timed(partial(_pdftoppm, source, work.root, wanted))[1],  # type: ignore[misc]
            )
            line.add(DRAWN / ours.wall, DRAWN / peer.wall)


def _make(path: Path) -> Path:
    from reportlab.lib.enums import TA_JUSTIFY
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

    for name in ("Vera", "VeraBd"):
        pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
    title = ParagraphStyle("title", fontName="VeraBd", fontSize=16, leading=20, spaceAfter=10)
    body = ParagraphStyle(
        "body", fontName="Vera", fontSize=10, leading=14, alignment=TA_JUSTIFY, spaceAfter=8
    )
    chosen = random.Random(5)
    words = WORDS.split()
    story: list[Any] = []
    for number in range(PAGES):
        story.append(Paragraph(f"Chapter {number + 1}", title))
        paragraphs = (" ".join(chosen.choice(words) for _ in range(80)) for _ in range(6))
        story += [*(Paragraph(f"{each}.", body) for each in paragraphs), PageBreak()]
    SimpleDocTemplate(str(path)).build(story)
    return path


def _ours(source: Path, folder: Path, count: int, picture: str | None = None) -> list[Any]:
    order = PageOrder(str(folder), "pdf", text=picture is None)
    if picture is not None:
        order = PageOrder(str(folder), "pdf", text=False, picture_width=WIDTH, picture_format=picture)
    records = list(read_pages(str(source), range(1, count + 1), order.as_record(), None))
    expect(all(record["source"] != "failed" for record in records), "a page could not be read")
    return records


def _written(folder: Path, records: list[Any]) -> str:
    return "\n".join(read_content(folder, record["content"])["text"] for record in records)


def _job(slot: WarmSlot, work: Workbench, source: Path) -> Cost:
    order = slot.order("document", {"document_url": str(source), "outputs": ["text"]}, work.output())
    (result, wall), cost = timed(partial(slot.run, order))
    expect(result.facts.page_count == PAGES, "pages are missing")
    return Cost(wall, cost.cpu)


def _pypdf(source: Path) -> list[str]:
    from pypdf import PdfReader

    return [page.extract_text() for page in PdfReader(source).pages]


def _words(text: str) -> list[str]:
    return sorted(text.split())


def _pdftoppm(source: Path, folder: Path, format_name: str) -> None:
    size = ["-scale-to-x", str(WIDTH), "-scale-to-y", "-1"]
    _run("pdftoppm", f"-{format_name}", "-l", str(DRAWN), *size, source, folder / f"peer-{format_name}")


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    expect(done.returncode == 0, f"{command[0]} failed: {done.stderr.decode('utf-8', 'replace')[-300:]}")


def _version(program: str) -> str | None:
    if shutil.which(program) is None:
        return None
    done = subprocess.run([program, "-v"], capture_output=True)
    return done.stderr.decode().split()[2]


if __name__ == "__main__":
    run_benchmark("Text and pictures of a PDF", measure)
