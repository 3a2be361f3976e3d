"""Hook implementations; imports nothing that the extra ``pitchey[document]`` brings."""

from __future__ import annotations

from collections.abc import Sequence

from pitchey_core.hooks import ProcessorSpec, QueueDefaults, ToolSpec, hookimpl
from pitchey_document.ocr.tool import TESSERACT
from pitchey_document.office.tool import SOFFICE

__all__ = ["pitchey_processors", "pitchey_tools"]


@hookimpl
def pitchey_processors() -> Sequence[ProcessorSpec]:
    """The ``document`` processor."""
    return [
        ProcessorSpec(
            name="document",
            target="pitchey_document.processor:DocumentProcessor",
            summary="Read a document: text, OCR, previews, conversion; PDF, Office, pictures, text",
            aliases=("document-processing", "document-processor"),
            resources="standard-1",
            wall_limit=300.0,
            queue=QueueDefaults(batch_size=10, batch_wait=60.0, retries=3, min_slots=1, max_slots=5),
            extra="pitchey[document]",
            tools=("tesseract", "soffice"),
        )
    ]


@hookimpl
def pitchey_tools() -> Sequence[ToolSpec]:
    """tesseract, and LibreOffice for whoever has it."""
    return [TESSERACT, SOFFICE]
