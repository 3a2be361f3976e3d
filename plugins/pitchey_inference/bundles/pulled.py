"""Remote bundles in the cache: fetched once, with a record of every file's checksum, and read from there offline."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from pydantic import BaseModel, ValidationError

from pitchey_core.errors import Cancelled, ConfigError, InputError, OutOfSpace, PitcheyError
from pitchey_core.storage import FetchPolicy, display, fetch, join
from pitchey_inference.bundles.bundle import MAX_FILE_BYTES, sha256_of
from pitchey_inference.bundles.layouts import HUB_FILES, WEIGHTS
from pitchey_inference.bundles.manifest import MANIFEST_NAME, parse_manifest

__all__ = ["RECORD_NAME", "Pulled", "alone", "pull_url", "pulled_models", "staged"]

RECORD_NAME: Final = "pulled.json"
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Pulled:
    """A bundle in the cache.

    Attributes:
        url: Where it came from.
        revision: Of the hub; else empty.
        checksums: SHA-256 by path, relative to the folder.
    """

    url: str
    folder: Path
    revision: str
    checksums: dict[str, str]

    @classmethod
    def find(cls, cache: Path, url: str) -> Pulled | None:
        """What was pulled from a URL before."""
        folder = folder_of(cache, url)
        found = _record(folder / RECORD_NAME)
        return None if found is None else cls(url, folder, found.revision, found.files)


class _Record(BaseModel):
    """What :data:`RECORD_NAME` holds."""

    url: str
    revision: str = ""
    files: dict[str, str]


def _record(path: Path) -> _Record | None:
    """``None`` for one that is not there or damaged, so that the model is pulled anew."""
    try:
        return _Record.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def folder_of(cache: Path, url: str) -> Path:
    """Where the bundle of a URL lies."""
    return cache / "pulled" / hashlib.sha256(url.encode()).hexdigest()[:32]


def pulled_models(cache: Path) -> list[Pulled]:
    """All that was pulled."""
    found: list[Pulled] = []
    for record in sorted((cache / "pulled").glob(f"*/{RECORD_NAME}")):
        read = _record(record)
        if read is not None and record.parent == folder_of(cache, read.url):
            found.append(Pulled(read.url, record.parent, read.revision, read.files))
    return found


@contextmanager
def alone(cache: Path, url: str, cancelled: Callable[[], bool] | None = None) -> Iterator[None]:
    """Only one process at a time fetches the bundle of a URL; the others wait, and find it there.

    Raises:
        Cancelled: ``cancelled()`` was true.
        ConfigError: The cache folder cannot be written to.
        OutOfSpace: Its disk is full.
    """
    lock = cache / "locks" / folder_of(cache, url).name
    try:
        lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Stays: to remove it would let two in, one of them with the name that is gone.
        with lock.open("wb") as file:
            while not _locked(file):
                if cancelled is not None and cancelled():
                    raise Cancelled("the job was cancelled")
                time.sleep(_POLL_SECONDS)
            yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise OutOfSpace(
                f"the disk of the model cache is full: {cache}",
                remedy="free some space, or name another folder: PITCHEY_MODEL_CACHE",
            ) from error
        raise ConfigError(
            f"the model cache {cache} cannot be used: {error.strerror or error}",
            remedy="name a folder that this user may write to: PITCHEY_MODEL_CACHE",
        ) from error


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def staged(cache: Path, url: str, revision: str = "") -> Iterator[Path]:
    """A folder to fetch a bundle into; at the end of the block it takes its place, with the record, as a whole."""
    target = folder_of(cache, url)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = Path(tempfile.mkdtemp(prefix=".pulling-", dir=target.parent))
    try:
        yield temporary
        sums = {
            path.relative_to(temporary).as_posix(): sha256_of(path)
            for path in sorted(temporary.rglob("*"))
            if path.is_file()
        }
        record = {"url": url, "revision": revision, "files": sums}
        (temporary / RECORD_NAME).write_text(json.dumps(record, indent=1), "utf-8")
        if target.exists():
            # Another process may be reading the old one; its open files stay readable.
            old = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
            target.rename(old / "bundle")
            temporary.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def pull_url(
    url: str, cache: Path, policy: FetchPolicy, cancelled: Callable[[], bool] | None = None
) -> Pulled:
    """Pull a bundle from any URL: an ``.onnx`` file, or a folder with a manifest or in the layout of the hub.

    Raises:
        InputError: There is no model, or its checksum is not the one that its manifest says.
    """

    def into(folder: Path, source: str, name: str) -> None:
        got = fetch(source, folder / ".parts", policy=policy, max_bytes=MAX_FILE_BYTES, cancelled=cancelled)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(got.path, folder / name)
        shutil.rmtree(folder / ".parts", ignore_errors=True)

    path = url.partition("?")[0]
    with staged(cache, url) as folder:
        if path.endswith(".onnx"):
            into(folder, url, path.rpartition("/")[2])
        else:
            _pull_folder(url.removesuffix(f"/{MANIFEST_NAME}"), folder, into)
    found = Pulled.find(cache, url)
    assert found is not None
    return found


def _pull_folder(url: str, folder: Path, into: Callable[[Path, str, str], None]) -> None:
    def optional(name: str) -> bool:
        try:
            into(folder, join(url, name), name)
        except InputError:
            return False
        return True

    try:
        into(folder, join(url, MANIFEST_NAME), MANIFEST_NAME)
    except InputError as error:
        if not optional("config.json"):
            raise _no_model(url, error) from None
        if not any(optional(name) for name in WEIGHTS):
            raise _no_model(url, error) from None
        for name in HUB_FILES:
            if name != "config.json":
                optional(name)
        return
    manifest = parse_manifest((folder / MANIFEST_NAME).read_text("utf-8", "replace"), display(url))
    for entry in manifest.files.values():
        if entry.package is None:
            into(folder, join(url, entry.path), entry.path)
            _verify(folder / entry.path, entry.sha256, join(url, entry.path))


def _verify(path: Path, expected: str | None, url: str) -> None:
    found = sha256_of(path)
    if expected is not None and found != expected:
        raise InputError(
            f"{display(url)} has the checksum {found}; its manifest says {expected}",
            remedy="tell whoever publishes it, or correct the manifest",
        )


def _no_model(url: str, error: PitcheyError) -> InputError:
    words: Any = error.message
    return InputError(
        f"{display(url)} is no model: neither {MANIFEST_NAME} nor config.json with an ONNX file are there ({words})",
        remedy="give the URL of the folder or of the .onnx file",
    )
