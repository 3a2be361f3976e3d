"""Folders, made and removed while others use them too."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path

__all__ = ["fsync_folder", "is_our_manifest", "make_folder", "remove_if_empty"]

_ATTEMPTS = 10
_MANIFEST_BYTES = 16 * 1024**2


def make_folder(folder: Path) -> list[Path]:
    """Make a folder and its parents; returns those that were not there, outermost first."""
    for attempt in range(_ATTEMPTS):
        missing: list[Path] = []
        at = folder
        while not at.exists():
            missing.append(at)
            at = at.parent
        made: list[Path] = []
        try:
            for each in reversed(missing):
                with contextlib.suppress(FileExistsError):
                    each.mkdir()
                    made.append(each)
            if folder.is_dir():
                return made
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
        except FileNotFoundError:
            # Somebody's clean-up removed a parent in between, because it was empty.
            if attempt + 1 == _ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def remove_if_empty(folder: Path) -> None:
    """Remove a folder unless something is in it, it is gone, or we may not."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network file systems cannot, and say so.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(fd)


def is_our_manifest(path: Path) -> bool:
    """Whether ``manifest.json`` there may be replaced: there is none, or a job of ours wrote it."""
    try:
        if path.stat().st_size > _MANIFEST_BYTES:
            return False
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return True
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and "job_id" in record and "artifacts" in record
