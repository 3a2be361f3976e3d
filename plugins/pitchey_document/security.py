"""What to be wary of in a document, as data. Nothing of it is executed or fetched.

Plain dataclasses: the processes that read documents import nothing that they do not need.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

__all__ = ["EmbeddedFile", "SecurityFacts"]


@dataclass(slots=True)
class EmbeddedFile:
    """A file inside the document.

    Attributes:
        name: As the document gives it, shortened to 200 characters.
        bytes: Its size; ``None`` where it is not told.
    """

    name: str
    bytes: int | None = None


@dataclass(slots=True)
class SecurityFacts:
    """Findings; each list holds at most 50 entries of at most 200 characters.

    Attributes:
        macros: Names of macro projects or modules (VBA, Basic, Excel 4).
        javascript: Where scripts stand in a PDF: ``open action``, ``page 3``, ``name tree``, …
        external_links: Targets outside the document that an application would follow on a click or load by itself.
        external_templates: Templates and other parts that an application would load from elsewhere on opening.
        launch_actions: Programs or files that a PDF asks the viewer to start or open.
        embedded_files: Attachments, OLE packages.
        hidden_sheets: Names of hidden worksheets.
        forms: Whether it has a form: ``none``, ``acroform`` or ``xfa``.
        encryption: How it is encrypted, for example ``AES-256``; ``None`` if it is not.
        signatures: Number of digital signatures. They are counted, not verified.
    """

    macros: list[str] = field(default_factory=list)
    javascript: list[str] = field(default_factory=list)
    external_links: list[str] = field(default_factory=list)
    external_templates: list[str] = field(default_factory=list)
    launch_actions: list[str] = field(default_factory=list)
    embedded_files: list[EmbeddedFile] = field(default_factory=list)
    hidden_sheets: list[str] = field(default_factory=list)
    forms: str = "none"
    encryption: str | None = None
    signatures: int = 0

    def as_record(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        files = [EmbeddedFile(**each) for each in record["embedded_files"]]
        return cls(**{**record, "embedded_files": files})
