"""One job at work: what its parts share."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitchey_core.errors import PitcheyError, ToolMissing
from pitchey_core.process import ProcessLimits
from pitchey_document.kinds import Kind
from pitchey_document.limits import DocumentLimits, reader_limits
from pitchey_document.outputs import Outputs
from pitchey_document.payload import DocumentPayload

if TYPE_CHECKING:
    from pitchey_core.context import JobContext
    from pitchey_document.ocr.engine import Engine

__all__ = ["Work"]


@dataclass(slots=True)
class Work:
    """A job and what has become of it so far.

    Attributes:
        path: The input on this host.
        name: What the user calls it.
        began: ``time.monotonic()`` at the start.
        failures: What of the job failed while the rest went on.
    """

    payload: DocumentPayload
    job: JobContext
    limits: DocumentLimits
    path: Path
    name: str
    kind: Kind
    began: float
    outputs: Outputs
    warnings: list[str] = field(default_factory=list)
    failures: list[PitcheyError] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note how long a step takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.timings[step] = round(self.timings.get(step, 0.0) + time.monotonic() - began, 4)

    @property
    def parse_limits(self) -> ProcessLimits:
        """Of a process that reads the document as a whole."""
        return reader_limits(self.job.limits, wall_seconds=self.limits.parse_seconds)

    @property
    def wants_text(self) -> bool:
        """Whether any output needs the text."""
        return bool(self.payload.wanted - {"previews", "pdf"})

    def folder(self, name: str) -> Path:
        """A folder that another attempt of the job finds again."""
        folder = self.job.scratch / name
        folder.mkdir(exist_ok=True)
        return folder

    def engine(self) -> tuple[Engine, tuple[str, ...]] | None:
        """The OCR engine and its codes of the languages; ``None`` where OCR is off, or on demand and not there.

        Raises:
            ToolMissing: Every page needs it, and it is not on this host.
            InputError: It lacks a language.
        """
        from pitchey_document.ocr.engine import engine_of

        if self.payload.ocr_mode == "never":
            return None
        try:
            engine = engine_of(self.job.tool("tesseract"))
        except ToolMissing as error:
            if self.payload.ocr_mode == "always":
                raise
            self.warnings.append(f"pages without text cannot be recognised: {error.message}; {error.remedy}")
            return None
        return engine, tuple(engine.check(self.payload.languages))

    def told(self) -> dict[str, Any]:
        """What stands at the head of the JSON output."""
        return {"name": self.name, "kind": self.kind.name, "warnings": self.warnings}
