"""Office files to Markdown: against ``markitdown``, word for word, and against the bare libraries.

Both sides run warm, each in a process of its own that times itself. ``OFFICE_SAMPLES`` names a folder with more files
(DOCX and PPTX, searched recursively), for example the unpacked sources of python-docx and python-pptx; without it, and
without the peer, only generated files are read.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from harness import Bench, at_least, expect, in_turn, run_benchmark, timed

GOAL_TIMES_FASTER = 5.0
GOAL_RECALL = 99.0
CALLS = 5

SERVE = """
import json, sys, time
answer_to, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    request = json.loads(line)
    convert(request["path"])
    times = []
    for _ in range(request["calls"]):
        began = time.perf_counter()
        text = convert(request["path"])
        times.append(time.perf_counter() - began)
    answer_to.write(json.dumps({"seconds": min(times), "text": text}) + "\\n")
    answer_to.flush()
"""
OURS = """
from pitchey_document.markdown import to_markdown
from pitchey_document.office.reading import read_office
from pitchey_document.structure import Structure

def convert(path):
    return to_markdown(Structure.from_record(read_office(path, path.rpartition(".")[2])["structure"]))
"""
MARKITDOWN = """
import warnings
from markitdown import MarkItDown
warnings.simplefilter("ignore")
convert = lambda path, to=MarkItDown(): to.convert(path).markdown
"""
# What one writes after a look at the documentation of the libraries.
LIBRARIES = """
def convert(path):
    if path.endswith("docx"):
        import docx
        document = docx.Document(path)
        rows = [[cell.text for cell in row.cells] for table in document.tables for row in table.rows]
        return "\\n".join([each.text for each in document.paragraphs] + [" ".join(row) for row in rows])
    if path.endswith("pptx"):
        import pptx
        slides = pptx.Presentation(path).slides
        shapes = [shape for slide in slides for shape in slide.shapes]
        rows = [[cell.text for cell in row.cells] for each in shapes if each.has_table for row in each.table.rows]
        texts = [each.text_frame.text for each in shapes if each.has_text_frame]
        return "\\n".join(texts + [" ".join(row) for row in rows])
    import openpyxl
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    return "\\n".join(" ".join(map(str, row)) for sheet in book for row in sheet.iter_rows(values_only=True))
"""


@dataclass(slots=True)
class Answer:
    """What a converter made of one file, and the best of its times in seconds: others use this machine too."""

    seconds: float
    text: str


class Converter:
    """A process that turns one file after the other into text."""

    def __init__(self, python: str, code: str) -> None:
        self._process = subprocess.Popen(
            [python, "-c", code + SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __call__(self, path: Path, calls: int = CALLS) -> Answer:
        to, back = _pipes(self._process)
        to.write(json.dumps({"path": os.fspath(path), "calls": calls}).encode() + b"\n")
        to.flush()
        line = back.readline()
        expect(line, f"a converter died at {path.name}")
        return Answer(**json.loads(line))

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def measure(bench: Bench) -> None:
    names = ("lxml", "python-docx", "python-pptx", "python-calamine", "openpyxl")
    bench.fact("libraries", ", ".join(f"{name} {metadata.version(name)}" for name in names))
    with tempfile.TemporaryDirectory(prefix="pitchey-office-") as folder, ExitStack() as running:
        generated = make_files(Path(folder))
        ours = running.enter_context(converter(sys.executable, OURS))
        bare = running.enter_context(converter(sys.executable, LIBRARIES))
        peer_python = markitdown_python()
        peer = None if peer_python is None else running.enter_context(converter(peer_python, MARKITDOWN))
        if peer is None:
            bench.note("markitdown is not on PATH: compared with the bare libraries only")
        compare_generated(bench, generated, ours, bare, peer)
        if peer is not None and peer_python is not None:
            samples = sample_files()
            if samples:
                compare_samples(bench, samples, ours, peer)
            else:
                bench.note("OFFICE_SAMPLES is not set: no sample files were read")
            compare_cold(bench, generated["docx"], peer_python)


@contextmanager
def converter(python: str, code: str) -> Iterator[Converter]:
    """A converter that is gone afterwards."""
    made = Converter(python, code)
    try:
        yield made
    finally:
        made.close()


def compare_generated(
    bench: Bench, files: dict[str, Path], ours: Converter, bare: Converter, peer: Converter | None
) -> None:
    for kind, path in files.items():
        over_bare = bench.compare(f"{kind}, generated", against="bare library", unit="ms", by="saving")
        over_peer = None
        if peer is not None:
            over_peer = bench.compare(
                f"{kind}, generated",
                against="markitdown",
                unit="ms",
                by="saving",
                goal=at_least(GOAL_TIMES_FASTER),
            )
        for number in range(bench.count):
            calls = [partial(each, path) for each in (ours, bare, peer) if each is not None]
            mine, library, *others = in_turn(number, *calls)
            expect(recall(library.text, mine.text)[0] > 0.999, f"words of {path.name} are missing")
            over_bare.add(mine.seconds * 1e3, library.seconds * 1e3)
            for theirs in others:
                assert over_peer is not None
                share, missing = recall(theirs.text, mine.text)
                expect(
                    share >= GOAL_RECALL / 100, f"words of markitdown are missing in {kind}: {missing[:20]}"
                )
                over_peer.add(mine.seconds * 1e3, theirs.seconds * 1e3)


def compare_samples(bench: Bench, samples: Sequence[Path], ours: Converter, peer: Converter) -> None:
    """Each file counts once in each round; a row's figure is the median file."""
    for kind in ("docx", "pptx"):
        files = [path for path in samples if path.suffix == f".{kind}"]
        if not files:
            continue
        speed = bench.compare(
            f"{len(files)} {kind} samples, median file",
            against="markitdown",
            unit="ms",
            by="saving",
            goal=at_least(GOAL_TIMES_FASTER),
        )
        words = bench.compare(
            f"{kind} samples, words found",
            against="markitdown",
            unit="%",
            by="ours",
            goal=at_least(GOAL_RECALL),
        )
        ratios: dict[Path, list[float]] = {}
        wanted = found = had = 0
        for number in bench.rounds():
            for path in files:
                mine, theirs = in_turn(number, partial(ours, path), partial(peer, path))
                speed.add(mine.seconds * 1e3, theirs.seconds * 1e3)
                ratios.setdefault(path, []).append(theirs.seconds / mine.seconds)
                if number == 0:
                    share, missing = recall(theirs.text, mine.text)
                    theirs_count, mine_count = len(words_of(theirs.text)), len(words_of(mine.text))
                    wanted, found = wanted + theirs_count, found + theirs_count - len(missing)
                    had += mine_count
                    if missing:
                        bench.note(
                            f"{path.name}: markitdown also has {' '.join(missing[:12])}  ({share:.1%} found)"
                        )
        words.add(100 * found / max(1, wanted), 100)
        wins = sum(statistics.median(each) >= GOAL_TIMES_FASTER for each in ratios.values())
        per_file = sorted(statistics.median(each) for each in ratios.values())
        bench.note(
            f"{kind}: {wins} of {len(per_file)} files at least {GOAL_TIMES_FASTER:g} times faster; the least "
            f"{per_file[0]:.1f}, the median {statistics.median(per_file):.1f} times; "
            f"words: ours {had:,}, markitdown's {wanted:,}"
        )


def compare_cold(bench: Bench, path: Path, peer_python: str) -> None:
    cold = bench.compare("docx, from a cold start", against="markitdown", unit="s", by="saving")

    def call(python: str, code: str) -> float:
        command = [python, "-c", f"{code}\nassert convert({os.fspath(path)!r})"]
        done, cost = timed(lambda: subprocess.run(command, capture_output=True))
        expect(done.returncode == 0, f"{command} failed: {done.stderr.decode()[-300:]}")
        return cost.wall

    for number in range(bench.count):
        cold.add(
            *in_turn(number, partial(call, sys.executable, OURS), partial(call, peer_python, MARKITDOWN))
        )


def recall(theirs: str, ours: str) -> tuple[float, list[str]]:
    """The share of their words that we have too, each as often, and those that we lack."""
    wanted = Counter(words_of(theirs))
    missing = wanted - Counter(words_of(ours))
    return 1 - missing.total() / max(1, wanted.total()), sorted(missing.elements())


def words_of(markdown: str) -> list[str]:
    """Words without markup: neither names of picture files nor what a converter says about slides itself."""
    text = re.sub(r"<!-- Slide number: \d+ -->|### Notes:|\n\n### Chart|\[unsupported chart\]", " ", markdown)
    text = re.sub(r"!\[([^\]]*)\]\([^)]*\)", r" \1 ", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r" \1 ", text)
    text = re.sub(r"\\(?=[^\w\s])", "", text.replace("<br>", " "))
    words = re.findall(r"\w+(?:[.,']\w+)*", text.casefold())
    # 4.0 and 4 are one number.
    return [re.sub(r"^(\d+)\.0$", r"\1", word) for word in words]


def markitdown_python() -> str | None:
    """The interpreter of the peer's environment, from the first line of its script."""
    script = shutil.which("markitdown")
    if script is None:
        return None
    first = Path(script).read_text("utf-8", "replace").partition("\n")[0]
    return first.removeprefix("#!").strip() or None


def sample_files() -> list[Path]:
    folder = os.environ.get("OFFICE_SAMPLES")
    if not folder:
        return []
    found = {path.name: path for path in sorted(Path(folder).rglob("*")) if path.suffix in {".docx", ".pptx"}}
    return sorted(found.values())


def make_files(folder: Path) -> dict[str, Path]:
    """A script of some 20 pages, a deck of 20 slides, a budget of 3,000 rows, made by the real libraries."""
    return {"docx": make_script(folder), "pptx": make_deck(folder), "xlsx": make_budget(folder)}


def make_script(folder: Path) -> Path:
    import docx

    document: Any = docx.Document()
    for scene in range(60):
        document.add_heading(f"Scene {scene}: the harbour at night", 2)
        for line in range(8):
            paragraph = document.add_paragraph(f"Line {line} of the dialogue, ")
            paragraph.add_run("spoken slowly").italic = True
            paragraph.add_run(" while the boats leave the harbour one after the other.")
        document.add_paragraph("a prop", "List Bullet")
    table = document.add_table(20, 4)
    for number, row in enumerate(table.rows):
        for cell, word in zip(row.cells, ("day", f"{number}", "crew", f"call {number}"), strict=True):
            cell.text = word
    path = folder / "script.docx"
    document.save(path)
    return path


def make_deck(folder: Path) -> Path:
    import pptx

    deck: Any = pptx.Presentation()
    for number in range(20):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = f"Slide about theme {number}"
        frame = slide.placeholders[1].text_frame
        frame.text = "the audience"
        for level in range(6):
            paragraph = frame.add_paragraph()
            paragraph.text, paragraph.level = f"point {level} of theme {number}", level % 3
        slide.notes_slide.notes_text_frame.text = f"Pause after theme {number}."
    path = folder / "deck.pptx"
    deck.save(path)
    return path


def make_budget(folder: Path) -> Path:
    import openpyxl

    book: Any = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["item", "department", "quantity", "total"])
    for number in range(3_000):
        sheet.append([f"item {number}", f"department {number % 12}", number, number + 0.25])
    path = folder / "budget.xlsx"
    book.save(path)
    return path


if __name__ == "__main__":
    run_benchmark("Office files to Markdown", measure)
