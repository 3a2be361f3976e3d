"""What was read of pages, in files: one for each process that reads, a line for each page.

A file for each page would cost more than reading a text layer does.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["ContentWriter", "read_content"]


class ContentWriter:
    """Appends contents to a file of its own in a folder. What was added is there, whatever kills the process next."""

    def __init__(self, folder: str | Path) -> None:
        # Unbuffered: a page that is told of has to be readable. The name is unique, so attempts never share a file.
        self._name = f"{os.getpid()}-{os.urandom(6).hex()}.jsonl"
        self._file = open(Path(folder, self._name), "wb", buffering=0)  # noqa: SIM115 - closed with the writer
        self._at = 0

    def add(self, content: dict[str, Any]) -> list[Any]:
        """Write what was read of a page; returns where, for :func:`read_content`."""
        line = json.dumps(content).encode() + b"\n"
        self._file.write(line)
        place = [self._name, self._at, len(line)]
        self._at += len(line)
        return place

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_content(folder: str | Path, place: list[Any]) -> dict[str, Any]:
    """What was written under a place.

    Raises:
        OSError, ValueError: It is not there any more.
    """
    name, at, length = place
    with open(Path(folder, name), "rb") as file:
        file.seek(at)
        content: dict[str, Any] = json.loads(file.read(length))
    return content
