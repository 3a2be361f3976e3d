"""What SQLite's errors mean to a user, and what helps."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pitchey_core.errors import OutOfSpace, PitcheyError, StoreError

__all__ = ["busy", "translated"]

_FULL_BELOW_BYTES = 1 << 20

_BUSY = "another program has held the store's lock for too long"
_REMEDIES = {
    sqlite3.SQLITE_BUSY: (_BUSY, "find it with: fuser -v {path}"),
    sqlite3.SQLITE_LOCKED: (_BUSY, "find it with: fuser -v {path}"),
    sqlite3.SQLITE_CORRUPT: (
        "the store's file is damaged",
        "restore a backup, or save what is left: sqlite3 {path} .recover | sqlite3 recovered.db",
    ),
    sqlite3.SQLITE_NOTADB: ("the file is not a SQLite database", "set PITCHEY_STORE to another file"),
    sqlite3.SQLITE_READONLY: ("the store cannot be written", "check the owner: ls -l {path} {path}-wal"),
    sqlite3.SQLITE_PERM: ("the store may not be used", "check the owner: ls -l {path}"),
    sqlite3.SQLITE_CANTOPEN: ("the store cannot be opened", "check its folder: ls -ld {folder}"),
}


def busy(error: sqlite3.Error) -> bool:
    """Whether trying again may help."""
    return _primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the operating system about ``path`` into :class:`StoreError`.

    Raises:
        OutOfSpace: The disk is full.
        StoreError: Anything else that SQLite complains about.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, path) from error
    except (UnicodeEncodeError, OverflowError) as error:
        raise StoreError(f"{path}: a value cannot be stored: {error}") from error
    except OSError as error:
        raise StoreError(
            f"{error.filename or path}: {error.strerror}", remedy=f"check its folder: ls -ld {path.parent}"
        ) from error


def _primary_code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _explain(error: sqlite3.Error, path: Path) -> PitcheyError:
    code = _primary_code(error)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _disk_is_full(path)):
        return OutOfSpace(f"{path}: the disk is full", remedy=f"make room: df -h {path.parent}")
    if code in _REMEDIES:
        meaning, remedy = _REMEDIES[code]
        return StoreError(f"{path}: {meaning} ({error})", remedy=remedy.format(path=path, folder=path.parent))
    return StoreError(f"{path}: {error}")


def _disk_is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _FULL_BELOW_BYTES
    except OSError:
        return False
