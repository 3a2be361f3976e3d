"""What runs in the slots of a worker, kept where it outlives the worker.

A worker holds more jobs than it runs. If it is killed, those that only waited are none of its victims: they need no
second look for what they may have done to it, and lose no attempt. So each slot notes which jobs are inside it, in a
file that needs no more than to survive the process; where the host dies as well, nobody asks.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Occupancy", "forget_occupancy", "occupants", "open_occupancy"]


class Occupancy:
    """One slot's note of the attempts that run in it."""

    def __init__(self, base_dir: Path, tag: str) -> None:
        owner, _, name = tag.rpartition("/")
        self._path = _folder(base_dir, owner.rpartition("/")[2]) / name
        self._file: int | None = None
        self._length = 0

    def note(self, keys: Iterable[str]) -> None:
        """Note what runs from now on. Whoever has no folder for it (:func:`open_occupancy`) wants no notes."""
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError:
                return
        text = "\n".join(keys).encode()
        # One write, so that a reader sees the old note or the new one.
        padded = text.ljust(self._length)
        self._length = len(text)
        with contextlib.suppress(OSError):  # A full disk; then the jobs count as what was noted before.
            os.pwrite(self._file, padded, 0)


def open_occupancy(base_dir: Path, owner: str) -> None:
    """Let the slots of a worker keep their notes.

    Raises:
        OSError: The folder cannot be made.
    """
    _folder(base_dir, owner).mkdir(parents=True, exist_ok=True)


def occupants(base_dir: Path, owner: str) -> set[str] | None:
    """Keys of the attempts that ran in the slots of a worker when it died; ``None`` if it kept no notes here."""
    keys: set[str] = set()
    try:
        for note in _folder(base_dir, owner).iterdir():
            # Another worker that clears up as well may have forgotten it by now.
            with contextlib.suppress(FileNotFoundError):
                keys.update(note.read_text(errors="replace").split())
    except FileNotFoundError:
        return None
    return keys


def forget_occupancy(base_dir: Path, owner: str) -> None:
    """Remove the notes of a worker that is gone."""
    shutil.rmtree(_folder(base_dir, owner), ignore_errors=True)


def _folder(base_dir: Path, owner: str) -> Path:
    return base_dir / "slots" / owner
