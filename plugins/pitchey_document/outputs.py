"""The outputs of a job: their names, and how each is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pitchey_core.naming import portable_stem, stem_of
from pitchey_document.pages.reading import PICTURE_SUFFIXES
from pitchey_document.payload import DocumentPayload, OutputKind

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["Outputs"]

_FILES: Final[dict[OutputKind, tuple[str, str]]] = {
    "text": (".txt", "text/plain"),
    "markdown": (".md", "text/markdown"),
    "json": (".json", "application/json"),
    "hocr": (".hocr", "text/vnd.hocr+html"),
    "pdf": (".pdf", "application/pdf"),
    "searchable-pdf": ("-searchable.pdf", "application/pdf"),
}


class Outputs:
    """What a job writes. Each output is reserved before any work, so what exists already is refused at once.

    Attributes:
        stem: Of all names.
    """

    def __init__(self, payload: DocumentPayload, job: JobContext) -> None:
        self._job = job
        self._format = payload.preview_format
        given = payload.output_name
        self.stem = portable_stem(given) if given is not None else stem_of(payload.document_url)
        self._paths: dict[OutputKind, Path] = {}
        for kind, (ending, media_type) in _FILES.items():
            if kind in payload.wanted:
                self._paths[kind] = job.artifact(f"{self.stem}{ending}", media_type)
        self.wants_pictures = "previews" in payload.wanted
        if self.wants_pictures:
            self.sheet = self._picture("pages")

    def __contains__(self, kind: OutputKind) -> bool:
        return kind in self._paths

    def path(self, kind: OutputKind) -> Path:
        """Where to write an output that is wanted."""
        return self._paths[kind]

    def give_up(self, kind: OutputKind) -> None:
        """There will be no such output."""
        self._paths.pop(kind, None)
        ending, _ = _FILES[kind]
        self._job.stage.drop(f"{self.stem}{ending}")

    def give_up_pictures(self) -> None:
        """There will be no pictures of pages."""
        self._job.stage.drop(f"{self.stem}-pages.{PICTURE_SUFFIXES[self._format]}")
        self.wants_pictures = False

    def _picture(self, ending: str) -> Path:
        name = f"{self.stem}-{ending}.{PICTURE_SUFFIXES[self._format]}"
        return self._job.artifact(name, f"image/{self._format}")

    def write_text(self, pieces: Iterable[str]) -> None:
        """Write the plain text, if it is wanted."""
        self._write("text", pieces)

    def write_markdown(self, text: str) -> None:
        """Write the Markdown, if it is wanted."""
        self._write("markdown", [text])

    def write_json(self, record: dict[str, Any]) -> None:
        """Write the JSON, if it is wanted."""
        self._write("json", _json(record))

    def _write(self, kind: OutputKind, pieces: Iterable[str]) -> None:
        if kind not in self._paths:
            return
        last = ""
        # What a damaged font leaves may be half a surrogate pair.
        with self._paths[kind].open("w", encoding="utf-8", errors="replace") as file:
            for piece in pieces:
                file.write(piece)
                last = piece or last
            if last and not last.endswith("\n"):
                file.write("\n")

    def publish_pictures(self, pictures: dict[int, Path]) -> None:
        """Stage pictures of pages by page number. They are copied: another attempt may need them again."""
        digits = max(3, len(str(max(pictures, default=0))))
        for number, path in sorted(pictures.items()):
            shutil.copyfile(path, self._picture(f"page-{number:0{digits}}"))


def _json(record: dict[str, Any]) -> Iterator[str]:
    yield from json.JSONEncoder(ensure_ascii=False, indent=1).iterencode(record)
