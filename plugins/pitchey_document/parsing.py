"""Documents without pages of their own: read in an isolated process, handed over in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitchey_document.isolated import parse_to_file
from pitchey_document.kinds import Kind
from pitchey_document.limits import DocumentLimits, reader_limits
from pitchey_document.structure import Structure

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["Parsed", "parse"]

_OFFICE = "pitchey_document.office.reading:read_office"
_PLAIN = "pitchey_document.plain:read_plain"


class Parsed:
    """What a reader found.

    Attributes:
        structure: The document in the common form.
        text: The text itself, where the document is one; else ``None``.
        told: What else the reader says: ``security``, ``warnings``, ``pages``.
    """

    def __init__(self, content: dict[str, Any], told: dict[str, Any]) -> None:
        self.structure = Structure.from_record(content["structure"])
        self.text: str | None = content.get("text")
        self.told = told


def parse(job: JobContext, path: Path, kind: Kind, limits: DocumentLimits) -> Parsed:
    """Read an Office file or a text.

    Raises:
        InputError: It is damaged.
        LimitExceeded: It takes too long or too much memory, or holds more than it may.
        SlotCrashed: Its reader died of it.
    """
    target = job.workdir / "content.json"
    reader, last = (_OFFICE, None) if kind.family == "office" else (_PLAIN, limits.max_characters)
    told = job.isolate(
        parse_to_file,
        reader,
        str(target),
        str(path),
        kind.name,
        last,
        limits=reader_limits(job.limits, wall_seconds=limits.parse_seconds),
    )
    return Parsed(json.loads(target.read_bytes()), told)
