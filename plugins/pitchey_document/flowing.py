"""Documents without fixed pages: Office files and plain text."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_core.errors import InputError, LimitExceeded, PitcheyError, SlotCrashed, ToolFailed, ToolMissing
from pitchey_document.facts import DocumentFacts, OutlineEntry
from pitchey_document.markdown import to_markdown, to_text
from pitchey_document.office.conversion import convert_to_pdf
from pitchey_document.paged import draw_pages
from pitchey_document.parsing import Parsed, parse
from pitchey_document.payload import selected_pages
from pitchey_document.security import SecurityFacts
from pitchey_document.structure import Structure
from pitchey_document.work import Work

if TYPE_CHECKING:
    from pitchey_document.payload import OutputKind

__all__ = ["read_flowing"]

_FAULTS = (ToolMissing, ToolFailed, InputError, LimitExceeded, SlotCrashed)
"""What LibreOffice and its result may fail with while the text is good."""
_MOST_OUTLINE = 200
_LONGEST_TITLE = 200


def read_flowing(work: Work, facts: DocumentFacts) -> None:
    """Read an Office file or a text, and write what is wanted of it."""
    source = _decrypted(work)
    work.job.progress(0.05, "reading the text")
    with work.timed("parse"):
        parsed = _parse(work, source)
    work.warnings.extend(parsed.told.get("warnings", ()))
    facts.security = SecurityFacts.from_record(parsed.told["security"])
    if work.kind.encrypted:
        facts.security.encryption = facts.security.encryption or "Office"
    structure = parsed.structure
    _select(work, structure)
    facts.metadata = structure.metadata
    facts.page_count = parsed.told.get("pages")
    facts.outline = _outline(structure)
    text = parsed.text if parsed.text is not None else to_text(structure)
    facts.characters = sum(len(part) for part in text.split())
    facts.words = len(text.split())
    work.job.progress(0.3, "writing the text")
    with work.timed("outputs"):
        _write(work, parsed, text)
    _refuse_recognition(work)
    _convert(work, source, parsed)


def _decrypted(work: Work) -> Path:
    if not work.kind.encrypted:
        return work.path
    from pitchey_document.office.encryption import decrypt

    # Under its own name, which messages give.
    target = work.job.workdir / "decrypted" / work.path.name
    target.parent.mkdir()
    work.job.isolate(decrypt, str(work.path), work.payload.password, str(target), limits=work.parse_limits)
    return target


def _parse(work: Work, source: Path) -> Parsed:
    try:
        return parse(work.job, source, work.kind, work.limits)
    except SlotCrashed as error:
        raise InputError(f"{work.name!r} is damaged: it crashes its reader") from error


def _select(work: Work, structure: Structure) -> None:
    """Keep the slides or sheets that were chosen; other documents have no pages before they are laid out."""
    if work.payload.pages is None:
        return
    if (
        any(section.kind in {"slide", "sheet"} for section in structure.sections)
        and work.kind.family == "office"
    ):
        chosen = set(selected_pages(work.payload.pages, len(structure.sections)))
        structure.sections = [section for section in structure.sections if section.number in chosen]
        if not structure.sections:
            raise InputError(f"{work.name!r}: pages={work.payload.pages!r} selects no slide and no sheet")
    else:
        work.warnings.append(
            "pages are chosen for pictures only: this document has none before it is laid out"
        )


def _outline(structure: Structure) -> list[OutlineEntry]:
    found: list[OutlineEntry] = []
    for section in structure.sections:
        if section.kind in {"slide", "sheet"} and section.title:
            found.append(OutlineEntry(level=1, title=section.title[:_LONGEST_TITLE], page=section.number))
        elif section.kind == "body":
            found += [
                OutlineEntry(level=max(block.level, 1), title=block.text[:_LONGEST_TITLE])
                for block in section.blocks[: 50 * _MOST_OUTLINE]
                if block.kind == "heading"
            ]
        if len(found) >= _MOST_OUTLINE:
            break
    return found[:_MOST_OUTLINE]


def _write(work: Work, parsed: Parsed, text: str) -> None:
    outputs = work.outputs
    outputs.write_text([text])
    if "markdown" in outputs:
        own = parsed.text is not None and work.kind.name == "md"
        outputs.write_markdown(text if own else to_markdown(parsed.structure))
    if "json" in outputs:
        outputs.write_json({**work.told(), **parsed.structure.as_record()})


def _refuse_recognition(work: Work) -> None:
    kinds: tuple[OutputKind, ...] = ("hocr", "searchable-pdf")
    for kind in kinds:
        if kind in work.outputs:
            work.outputs.give_up(kind)
            work.failures.append(
                InputError(
                    f"{kind} is made of PDF and pictures only, not of {work.kind.name}",
                    remedy="ask for outputs=pdf instead: its text is searchable",
                )
            )


def _convert(work: Work, source: Path, parsed: Parsed) -> None:
    """Make the PDF and the pictures of pages with LibreOffice; without it, what else was wanted is still good."""
    outputs = work.outputs
    if "pdf" not in outputs and not outputs.wants_pictures:
        return
    work.job.progress(0.4, "converting to PDF")
    try:
        with work.timed("convert"):
            pdf = convert_to_pdf(work.job, *_convertible(work, source, parsed))
    except _FAULTS as error:
        _without_pdf(work, error)
        return
    if "pdf" in outputs:
        shutil.copyfile(pdf, outputs.path("pdf"))
    if outputs.wants_pictures:
        try:
            with work.timed("pages"):
                draw_pages(work, pdf)
        except _FAULTS as error:
            _without_pictures(work, error)


def _convertible(work: Work, source: Path, parsed: Parsed) -> tuple[Path, str]:
    """The file to convert and its kind: a text in the one encoding and with the separator that is announced."""
    if parsed.text is None:
        return source, work.kind.name
    kind = "csv" if work.kind.name == "csv" else "txt"
    plain = work.job.workdir / f"plain.{kind}"
    with plain.open("w", encoding="utf-8", newline="") as file:
        if kind == "csv":
            for block in parsed.structure.blocks():
                csv.writer(file).writerows(block.rows)
        else:
            file.write(parsed.text)
    return plain, kind


def _without_pdf(work: Work, error: PitcheyError) -> None:
    if not work.payload.wanted - {"pdf", "previews"}:
        # Nothing else was wanted, so its class says what can be done.
        raise error
    if "pdf" in work.outputs:
        work.outputs.give_up("pdf")
    _without_pictures(work, error)


def _without_pictures(work: Work, error: PitcheyError) -> None:
    work.outputs.give_up_pictures()
    if work.payload.outputs is not None:
        work.failures.append(error)
    else:
        remedy = re.sub(r"\s+", " ", error.remedy or "")
        work.warnings.append(f"no pictures of pages: {error.message}" + (f" ({remedy})" if remedy else ""))
