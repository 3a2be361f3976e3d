"""Documents that are pages already: PDF and pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pitchey_core.errors import InputError, LimitExceeded, PitcheyError, ProcessorError, SlotCrashed
from pitchey_document.facts import DocumentFacts, OcrFacts, OutlineEntry, PageFacts
from pitchey_document.isolated import count_pages, picture_to_pdf
from pitchey_document.markdown import to_markdown
from pitchey_document.pages.contents import read_content
from pitchey_document.pages.judging import OCR_OFF
from pitchey_document.pages.paragraphs import page_blocks
from pitchey_document.pages.reading import TIME_UP, PageOrder, picture_path
from pitchey_document.pages.supervising import PageRun
from pitchey_document.payload import selected_pages
from pitchey_document.pdf.inspecting import inspect_pdf
from pitchey_document.previews import contact_sheet
from pitchey_document.security import SecurityFacts
from pitchey_document.structure import Section, Structure
from pitchey_document.work import Work

if TYPE_CHECKING:
    from pitchey_document.ocr.engine import Engine
    from pitchey_document.payload import OutputKind

__all__ = ["draw_pages", "read_pdf", "read_pictures"]

_PAGES_FROM, _OUTPUTS_FROM = 0.05, 0.92
"""Shares of the progress bar."""
_MOST_FACT_PAGES: Final = 500
_INSPECT_SHARE: Final = 0.5


def read_pdf(work: Work, facts: DocumentFacts) -> None:
    """Read a PDF and write what is wanted of it."""
    with work.timed("inspect"):
        parts = _inspect(work)
    facts.page_count = int(parts["page_count"])
    facts.metadata = parts.get("metadata", {})
    facts.outline = [OutlineEntry.model_validate(each) for each in parts.get("outline", ())]
    if "security" in parts:
        facts.security = SecurityFacts.from_record(parts["security"])
    _read(work, facts)


def read_pictures(work: Work, facts: DocumentFacts) -> None:
    """Read a picture, or each frame of one, and write what is wanted of it."""
    if work.wants_text and work.payload.ocr_mode == "never":
        work.warnings.append("a picture has no text layer, and OCR is off: no text (--ocr auto reads it)")
    with work.timed("inspect"):
        facts.page_count = int(
            work.job.isolate(count_pages, str(work.path), work.kind.name, _most_pixels(work))
        )
    _read(work, facts)


def _inspect(work: Work) -> dict[str, Any]:
    """What the PDF says of itself; what of it cannot be read becomes a warning."""
    parts: dict[str, Any] = {}

    folder = work.job.workdir / "inspected"
    folder.mkdir()

    def take(name: str) -> None:
        part: dict[str, Any] = json.loads((folder / name).read_bytes())
        work.warnings.extend(part.pop("warnings", ()))
        parts.update(part)

    try:
        work.job.isolate(
            inspect_pdf,
            str(work.path),
            work.payload.password,
            work.limits.parse_seconds * _INSPECT_SHARE,
            str(folder),
            limits=work.parse_limits,
            on_item=take,
        )
    except PitcheyError as error:
        if "page_count" not in parts:
            if isinstance(error, SlotCrashed):
                raise InputError(f"{work.name!r} is damaged: it crashes the PDF library") from error
            raise
        work.job.check()
        work.warnings.append(f"not all of its structure could be read: {error.message}")
    return parts


def _most_pixels(work: Work) -> int:
    return min(work.limits.max_pixels, work.job.limits.pixels)


def _read(work: Work, facts: DocumentFacts) -> None:
    assert facts.page_count is not None
    numbers = _selected(work, facts.page_count)
    engine = work.engine() if work.wants_text else None
    order = PageOrder(
        folder=str(work.folder("pages")),
        kind=work.kind.name,
        mode=work.payload.ocr_mode,
        text=work.wants_text,
        engine=engine[0].as_record() if engine else None,
        languages=engine[1] if engine else (),
        dpi=work.payload.dpi,
        password=work.payload.password,
        picture_width=work.payload.preview_width if work.outputs.wants_pictures else None,
        picture_format=work.payload.preview_format,
        page_seconds=work.limits.page_seconds,
        most_pixels=_most_pixels(work),
    )
    run = PageRun(work.job, work.path, order, work.began)
    with work.timed("pages"):
        run.read(numbers, _progress(work))
    facts.resumed_pages = run.resumed
    records = [run.records[number] for number in numbers]
    work.job.progress(_OUTPUTS_FROM, "writing the outputs")
    _report(work, facts, records, engine[0] if engine else None)
    with work.timed("outputs"):
        _write(work, facts, records, order, engine[0] if engine else None)


def _selected(work: Work, count: int) -> list[int]:
    numbers = selected_pages(work.payload.pages, count)
    if not numbers:
        raise InputError(
            f"{work.name!r} has {count} page{'s' if count != 1 else ''}; pages={work.payload.pages!r} selects none"
        )
    if len(numbers) > work.limits.max_pages:
        work.warnings.append(
            f"only the first {work.limits.max_pages} of {len(numbers)} pages are read (plugins.document.max_pages)"
        )
        del numbers[work.limits.max_pages :]
    return numbers


def _progress(work: Work) -> Any:
    def report(done: int, total: int) -> None:
        share = done / max(total, 1)
        work.job.progress(
            _PAGES_FROM + (_OUTPUTS_FROM - _PAGES_FROM) * share, f"page {done} of {total}", pages=done
        )

    return report


def _report(work: Work, facts: DocumentFacts, records: list[dict[str, Any]], engine: Engine | None) -> None:
    facts.characters = sum(record.get("characters", 0) for record in records)
    facts.words = sum(record.get("words", 0) for record in records)
    pages = [_page_facts(record) for record in records]
    facts.pages = pages[:_MOST_FACT_PAGES]
    if engine is not None:
        facts.ocr = _ocr_facts(work, records, engine)
    textless = sum(page.source == "none" and page.reason.startswith(f"{OCR_OFF}; ") for page in pages)
    if textless and work.kind.family == "pdf":
        work.warnings.append(
            f"{textless} page{'s' * (textless > 1)} without a text layer, and OCR is off: --ocr auto reads them"
        )
    failed = [page for page in pages if page.source == "failed"]
    if len(failed) == len(pages):
        if failed[0].error == TIME_UP:
            raise LimitExceeded(
                f"{work.name!r}: no page was read in time",
                limit="wall",
                remedy="raise --wall-limit, or choose --pages",
            )
        raise InputError(
            f"{work.name!r}: no page could be read; the first: {failed[0].error}",
            remedy="see whether another program opens it; qpdf IN OUT repairs some damaged PDFs",
        )
    if failed:
        shown = ", ".join(str(page.number) for page in failed[:20]) + (", …" if len(failed) > 20 else "")
        work.failures.append(
            InputError(
                f"{len(failed)} of {len(pages)} pages could not be read ({shown}); the first: {failed[0].error}",
                remedy="facts.pages says what was wrong with each; --pages leaves pages out",
            )
        )


def _page_facts(record: dict[str, Any]) -> PageFacts:
    return PageFacts.model_validate(
        {key: record[key] for key in record.keys() & PageFacts.model_fields.keys()}
    )


def _ocr_facts(work: Work, records: list[dict[str, Any]], engine: Engine) -> OcrFacts:
    read = [record for record in records if record["source"] == "ocr"]
    sure = [
        (record["confidence"], record["characters"]) for record in read if record["confidence"] is not None
    ]
    weight = sum(characters for _, characters in sure)
    return OcrFacts(
        engine=f"tesseract {engine.version}",
        languages=list(engine.check(work.payload.languages)),
        orientation="available" if engine.has_orientation else "unavailable",
        pages=len(read),
        confidence=round(sum(each * count for each, count in sure) / weight, 1) if weight else None,
    )


# -- outputs --------------------------------------------------------------------------------------------------------


def _write(
    work: Work, facts: DocumentFacts, records: list[dict[str, Any]], order: PageOrder, engine: Engine | None
) -> None:
    outputs = work.outputs
    outputs.write_text(_pages_of_text(order, records))
    if "markdown" in outputs or "json" in outputs:
        structure = _structure(order, records, facts)
        if "markdown" in outputs:
            outputs.write_markdown(to_markdown(structure))
        if "json" in outputs:
            outputs.write_json({**work.told(), **structure.as_record(), "pages": _told_pages(order, records)})
    if "hocr" in outputs:
        from pitchey_document.ocr.hocr import write_hocr
        from pitchey_document.ocr.words import PageReading

        readings = (
            (number, PageReading.from_record(each)) for number, each in _readings(order, records).items()
        )
        shown = f"tesseract {engine.version}" if engine else "none"
        write_hocr(readings, outputs.path("hocr"), title=work.name, engine=shown)
    _write_pdfs(work, facts, order, records)
    write_pictures(work, records, order)


def _content(order: PageOrder, record: dict[str, Any]) -> dict[str, Any]:
    if record["source"] == "failed" or not order.text:
        return {"text": "", "reading": None}
    return read_content(order.folder, record["content"])


def _pages_of_text(order: PageOrder, records: list[dict[str, Any]]) -> Iterator[str]:
    """The text, with a form feed between pages, as pdftotext writes it."""
    for place, record in enumerate(records):
        yield ("\f" if place else "") + _content(order, record)["text"] + "\n"


def _structure(order: PageOrder, records: list[dict[str, Any]], facts: DocumentFacts) -> Structure:
    sections = [
        Section("page", record["number"], blocks=page_blocks(_content(order, record)["text"]))
        for record in records
    ]
    return Structure(sections, facts.metadata)


def _readings(order: PageOrder, records: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    recognised = [record for record in records if record["source"] == "ocr"]
    return {record["number"]: _content(order, record)["reading"] for record in recognised}


def _told_pages(order: PageOrder, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from pitchey_document.ocr.words import PageReading

    told = {
        record["number"]: {key: value for key, value in record.items() if key != "content"}
        for record in records
    }
    for number, record in _readings(order, records).items():
        reading = PageReading.from_record(record)
        told[number]["recognised"] = {
            "width": reading.size[0],
            "height": reading.size[1],
            "words": [asdict(word) for word in reading.words],
        }
    return list(told.values())


def _write_pdfs(work: Work, facts: DocumentFacts, order: PageOrder, records: list[dict[str, Any]]) -> None:
    """Write the PDF outputs that are wanted; one that fails does not lose the others."""
    recognised = {str(number): reading for number, reading in _readings(order, records).items()}
    wanted: dict[OutputKind, dict[str, Any]] = {"pdf": {}, "searchable-pdf": recognised}
    for kind, readings in wanted.items():
        if kind not in work.outputs:
            continue
        try:
            _write_pdf(work, readings, work.outputs.path(kind), signed=facts.security.signatures > 0)
        except (InputError, LimitExceeded, SlotCrashed, ProcessorError) as error:
            work.outputs.give_up(kind)
            work.failures.append(InputError(f"the {kind} could not be made: {error.message}"))


def _write_pdf(work: Work, readings: dict[str, Any], target: Path, *, signed: bool) -> None:
    limits = work.parse_limits
    if work.kind.family != "pdf":
        missing = work.job.isolate(picture_to_pdf, str(work.path), readings, str(target), limits=limits)
        if missing:
            work.warnings.append(f"{target.name} lacks the damaged frames {', '.join(map(str, missing))}")
    elif readings:
        from pitchey_document.ocr.searchable import add_text_layer

        done = work.job.isolate(
            add_text_layer, str(work.path), readings, str(target), work.payload.password, limits=limits
        )
        if done["rewritten"]:
            work.warnings.append("the searchable copy is a new file: the original was encrypted or damaged")
        elif signed:
            work.warnings.append(
                "the signatures in the searchable copy cover the original, not the text that was added"
            )
        if done["encryption"] == "removed":
            work.warnings.append(
                "the searchable copy is not encrypted; the original opens without a password, too"
            )
    else:
        shutil.copyfile(work.path, target)


def write_pictures(work: Work, records: list[dict[str, Any]], order: PageOrder) -> None:
    """Stage the pictures of pages and the contact sheet, if they are wanted."""
    if not work.outputs.wants_pictures:
        return
    paths = {
        record["number"]: path
        for record in records
        if (path := picture_path(order.folder, record["number"], order.picture_format)).exists()
    }
    if not paths:
        work.outputs.give_up_pictures()
        return
    work.outputs.publish_pictures(paths)
    contact_sheet([paths[number] for number in sorted(paths)], work.outputs.sheet, order.picture_format)


def draw_pages(work: Work, pdf: Path) -> None:
    """Draw the pages of a PDF that was made of another document, and stage their pictures."""
    count = int(work.job.isolate(count_pages, str(pdf), "pdf", 0))
    order = PageOrder(
        folder=str(work.folder("drawn")),
        kind="pdf",
        text=False,
        picture_width=work.payload.preview_width,
        picture_format=work.payload.preview_format,
        page_seconds=work.limits.page_seconds,
    )
    numbers = _selected(work, count)
    run = PageRun(work.job, pdf, order, work.began)
    run.read(numbers, _progress(work))
    records = [run.records[number] for number in numbers]
    failed = [record for record in records if record["source"] == "failed"]
    if failed:
        work.warnings.append(f"{len(failed)} pages could not be drawn; the first: {failed[0]['error']}")
    write_pictures(work, records, order)
