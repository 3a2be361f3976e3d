"""How fast are scans read, and how well?

Ours is the whole ``document`` job on an image PDF of generated A4 scans at 300 dpi (grain, blur, skew up to 0.8
degrees, JPEG of quality 60): the text alone against bare tesseract, which finds the pages' pictures already extracted
and runs one process per CPU of one thread each; text and searchable PDF against ocrmypdf with as many jobs and the
same tesseract. ``OMP_THREAD_LIMIT=1`` is set for all: by default Debian's tesseract, and so ocrmypdf, is many times
slower on few CPUs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import Bench, Cost, at_least, expect, in_turn, run_benchmark, timed
from workbench import WarmSlot, Workbench, workbench

from pitchey_core.tools import ToolTable
from pitchey_document.ocr.engine import engine_of
from pitchey_document.ocr.searchable import pictures_to_pdf

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from document_scans import Scan, character_error_rate, scanned

PAGES = 8
JOBS = max(number for number in (1, 2, 4) if number == 1 or number <= len(os.sched_getaffinity(0)))
"""Pages at once: the CPUs of the largest instance type that the host has."""


@dataclass(frozen=True, slots=True)
class Read:
    """The text of each page, and what it cost."""

    texts: list[str]
    cost: Cost

    def error_rate(self, pages: Sequence[Scan]) -> float:
        """Mean over the pages, in percent."""
        expect(len(self.texts) == len(pages), f"{len(self.texts)} pages were read of {len(pages)}")
        rates = [character_error_rate(page.text, text) for page, text in zip(pages, self.texts, strict=True)]
        return 100 * sum(rates) / len(rates)


def measure(bench: Bench) -> None:
    pages = [scanned("scan300", seed) for seed in range(PAGES)]
    with workbench() as work, work.warm_slot() as slot:
        tesseract = tesseract_of(work)
        pictures = write_pages(pages, work.root)
        pdf = work.root / "scans.pdf"
        pictures_to_pdf([str(path) for path in pictures], {}, str(pdf))
        peers: dict[str, Callable[[], Read]] = {"bare tesseract": partial(bare, tesseract, pictures)}
        ocrmypdf = shutil.which("ocrmypdf")
        if ocrmypdf is None:
            bench.note("ocrmypdf is not on PATH: not compared (pip install ocrmypdf)")
        else:
            peers[f"ocrmypdf {version_of(ocrmypdf)}"] = partial(with_ocrmypdf, ocrmypdf, pdf, tesseract)
        bench.fact("tesseract", engine_of(tesseract).version)
        bench.fact("pages", f"{PAGES}, {JOBS} at once")
        read_job(work, slot, pdf, ["text"])
        for name, peer in peers.items():
            outputs = ["text"] if name.startswith("bare") else ["text", "searchable-pdf"]
            goal = 0.95 if name.startswith("bare") else 1.2
            speed = bench.compare(
                "pages read", against=name, unit="pages/min", by="ratio", goal=at_least(goal)
            )
            cpu = bench.compare("CPU time a page", against=name, unit="CPU s", by="ratio")
            right = bench.compare(
                "characters right", against=name, unit="%", by="difference", goal=at_least(0.0)
            )
            for number in bench.rounds():
                ours, theirs = in_turn(number, partial(read_job, work, slot, pdf, outputs), peer)
                speed.add(60 * PAGES / ours.cost.wall, 60 * PAGES / theirs.cost.wall)
                cpu.add(ours.cost.cpu / PAGES, theirs.cost.cpu / PAGES)
                right.add(100 - ours.error_rate(pages), 100 - theirs.error_rate(pages))


def tesseract_of(work: Workbench) -> Path:
    """The tesseract that jobs use."""
    return ToolTable(work.host.registry.tools, work.host.settings.tools).path("tesseract")


def version_of(program: str) -> str:
    """What a program prints for ``--version``."""
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def write_pages(pages: Sequence[Scan], folder: Path) -> list[Path]:
    """The pages as JPEG files with their resolution."""
    paths = [folder / f"page-{number:03}.jpg" for number in range(len(pages))]
    for path, page in zip(paths, pages, strict=True):
        # Quality 95 keeps what the first encoding left.
        path.write_bytes(page.jpeg(95))
    return paths


def read_job(work: Workbench, slot: WarmSlot, pdf: Path, outputs: list[str]) -> Read:
    """Ours: one ``document`` job with a vCPU for each CPU that recognises every page."""
    output = work.output()
    payload = {"document_url": str(pdf), "ocr": "always", "outputs": outputs}
    order = work.host.order(
        "document",
        payload,
        job_id=str(uuid.uuid4()),
        base_dir=work.root / "data",
        output=output,
        overrides={"resources": f"standard-{JOBS}"},
    )
    result, wall = slot.run(order)
    (text,) = output.rglob("*.txt")
    return Read(text.read_text("utf-8").rstrip("\n").split("\f"), Cost(wall, result.usage.cpu_seconds or 0.0))


def bare(tesseract: Path, pictures: Sequence[Path]) -> Read:
    """Tesseract on pictures, one process of one thread per CPU."""
    environment = {**os.environ, **engine_of(tesseract).environment}

    def one(picture: Path) -> str:
        done = subprocess.run([tesseract, picture, "-"], env=environment, capture_output=True, text=True)
        expect(done.returncode == 0, f"bare tesseract failed: {done.stderr[-300:]}")
        return done.stdout

    def every() -> list[str]:
        with ThreadPoolExecutor(JOBS) as pool:
            return list(pool.map(one, pictures))

    return Read(*timed(every))


def with_ocrmypdf(program: str, pdf: Path, tesseract: Path, *options: str) -> Read:
    """ocrmypdf with the same tesseract and as many pages at once; no PDF/A and no optimising of pictures."""
    sidecar, target = pdf.with_suffix(".sidecar"), pdf.with_suffix(".peer.pdf")
    path = f"{tesseract.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **engine_of(tesseract).environment, "PATH": path}
    arguments = [
        "-q",
        "-j",
        str(JOBS),
        "--output-type",
        "pdf",
        "-O",
        "0",
        "--sidecar",
        str(sidecar),
        *options,
    ]
    done, cost = timed(
        lambda: subprocess.run(
            [program, *arguments, pdf, target], env=environment, capture_output=True, text=True
        )
    )
    expect(done.returncode == 0, f"ocrmypdf failed: {done.stderr[-300:]}")
    return Read(sidecar.read_text("utf-8").rstrip("\f\n").split("\f"), cost)


if __name__ == "__main__":
    run_benchmark("OCR of scans", measure)
