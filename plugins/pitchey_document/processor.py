"""The ``document`` processor: recognise, read, recognise text, convert, draw."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_core.errors import LimitExceeded, PartialFailure, PitcheyError
from pitchey_core.naming import shown_name
from pitchey_core.processor import Plan, PlanningProcessor
from pitchey_document.facts import DocumentFacts
from pitchey_document.flowing import read_flowing
from pitchey_document.kinds import Kind, recognise
from pitchey_document.limits import DocumentLimits
from pitchey_document.outputs import Outputs
from pitchey_document.paged import read_pdf, read_pictures
from pitchey_document.payload import DocumentPayload
from pitchey_document.planning import plan_document
from pitchey_document.work import Work

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["DocumentProcessor"]

_READERS = {"pdf": read_pdf, "picture": read_pictures, "office": read_flowing, "plain": read_flowing}


class DocumentProcessor(PlanningProcessor[DocumentPayload, DocumentFacts]):
    """Reads one document; see :class:`~pitchey_document.payload.DocumentPayload`."""

    def process(self, payload: DocumentPayload, job: JobContext) -> DocumentFacts:
        """Read the document and write what is wanted of it.

        Raises:
            InputError: It is missing, damaged, of a kind that is not read, or its password is missing or wrong.
            LimitExceeded: It is larger than it may be, or takes too much time or memory.
            ToolMissing: tesseract or LibreOffice is needed and not here.
            PartialFailure: Some pages or outputs failed; the others are published.
            OutputExists: An output is there already.
        """
        began = time.monotonic()
        limits = DocumentLimits.from_options(job.options)
        job.progress(0.0, "reading the document")
        path = job.fetch(payload.document_url)
        name = shown_name(payload.document_url)
        kind = _recognised(path, name, limits)
        work = Work(payload, job, limits, path, name, kind, began, Outputs(payload, job))
        facts = DocumentFacts(kind=kind.name, media_type=kind.media_type, bytes=path.stat().st_size)
        _READERS[kind.family](work, facts)
        job.progress(1.0, "done")
        facts.warnings = work.warnings
        facts.timings = {**work.timings, "total": round(time.monotonic() - began, 4)}
        facts.shorten()
        return _outcome(name, facts, work.failures)

    def plan(self, payload: DocumentPayload, job: JobContext) -> Plan:
        """Where the text of each page would come from, and why; times are those of an average page."""
        limits = DocumentLimits.from_options(job.options)
        path = job.fetch(payload.document_url)
        kind = _recognised(path, shown_name(payload.document_url), limits)
        return plan_document(payload, job, kind, path, limits)


def _recognised(path: Path, name: str, limits: DocumentLimits) -> Kind:
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise LimitExceeded(
            f"{name!r} has {size} bytes; at most {limits.max_bytes} are read",
            limit="bytes",
            remedy="raise plugins.document.max_bytes in pitchey.toml",
        )
    return recognise(path, name)


def _outcome(name: str, facts: DocumentFacts, failures: list[PitcheyError]) -> DocumentFacts:
    if not failures:
        return facts
    raise PartialFailure(
        f"{name!r}: " + "; ".join(error.message for error in failures),
        facts=facts.model_dump(mode="json"),
        remedy=failures[0].remedy,
    )
