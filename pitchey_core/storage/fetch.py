"""Brings an input to where external programs can read it."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote

from pitchey_core.errors import Cancelled, InputError, LimitExceeded, TransientError
from pitchey_core.storage.faults import write_error
from pitchey_core.storage.policy import FetchPolicy
from pitchey_core.storage.remote import open_remote, remote_errors
from pitchey_core.storage.urls import display, scheme_of, to_path

__all__ = ["Fetched", "fetch"]

_CHUNK = 1024**2
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A fetched input.

    Attributes:
        path: Where it can be read: the original for a local file, which must not be changed.
        bytes: Size.
    """

    path: Path
    bytes: int


def fetch(
    url: str,
    into: Path,
    *,
    policy: FetchPolicy,
    max_bytes: int | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Fetched:
    """Make the content of a URL readable as a local file.

    A local file is used where it is, without a copy. Anything else is streamed into a new file in ``into``,
    whose name keeps the extension.

    Args:
        url: An absolute URL; see :func:`~pitchey_core.storage.to_url`.
        into: A folder for downloads; made when needed.
        policy: What may be fetched.
        max_bytes: Most that will be accepted.
        cancelled: Asked once for each MiB.

    Raises:
        InputError: It is missing, empty, no regular file, unreadable or not allowed.
        LimitExceeded: It has more than ``max_bytes`` (``limit`` is ``input``).
        ExtraMissing: The scheme's driver is not installed.
        TransientError: The network or the server fails.
        OutOfSpace: The disk is full.
        Cancelled: ``cancelled()`` was true.
    """
    policy.check(url)
    path = to_path(url)
    if path is not None:
        size = _check_local(path, display(url))
        _check_size(size, max_bytes, url)
        return Fetched(path, size)
    try:
        into.mkdir(parents=True, exist_ok=True)
        target, file = _new_file(into, url)
    except OSError as error:
        raise write_error(error, str(into)) from error
    with contextlib.ExitStack() as undo:
        undo.callback(target.unlink)
        with file:
            size = _download(url, file, policy, max_bytes, cancelled)
        if size == 0:
            raise InputError(f"{display(url)} is empty")
        undo.pop_all()
    return Fetched(target, size)


def _check_local(path: Path, shown: str) -> int:
    try:
        # Not opened before it is known to be a regular file: opening a FIFO would wait for a writer.
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise InputError(f"{shown} does not exist", remedy=_similar(path)) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise InputError(
                f"{shown} may not be read", remedy=f"make it readable for user {os.geteuid()}: chmod a+r"
            ) from error
        if error.errno in (errno.EIO, errno.ESTALE, errno.ENFILE, errno.EMFILE):
            raise TransientError(f"{shown} cannot be read now: {error.strerror}") from error
        raise InputError(f"{shown} cannot be read: {error.strerror}") from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{shown} is a folder, not a file", remedy="pitchey-run batch takes whole folders")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{shown} is not a regular file", remedy="save its content to a file first")
    if status.st_size == 0:
        raise InputError(f"{shown} is empty", remedy="check whether it was written or copied completely")
    return status.st_size


def _similar(path: Path) -> str:
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry, _ in zip(entries, range(5000), strict=False)]
    except OSError:
        return f"the folder {display(str(path.parent))} cannot be read either"
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {display(close[0])!r}?" if close else "check the path"


def _check_size(size: int, max_bytes: int | None, url: str) -> None:
    if max_bytes is not None and size > max_bytes:
        raise LimitExceeded(f"{display(url)} has more than {max_bytes} bytes", limit="input")


def _new_file(into: Path, url: str) -> tuple[Path, IO[bytes]]:
    last = unquote(re.split(r"[?#]", url.rstrip("/"))[0].rsplit("/", 1)[-1])
    # It will be an argument of programs: nothing that could be an option, a pattern or a protocol.
    safe = _UNSAFE.sub("_", last).lstrip("-.")[-100:] or "input"
    for number in range(10_000):
        target = into / (safe if number == 0 else f"{number}-{safe}")
        with contextlib.suppress(FileExistsError):
            return target, open(target, "xb")
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(into))


def _download(
    url: str,
    file: IO[bytes],
    policy: FetchPolicy,
    max_bytes: int | None,
    cancelled: Callable[[], bool] | None,
) -> int:
    size = 0
    with _open(url, policy) as (source, length):
        if length is not None:
            _check_size(length, max_bytes, url)
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            _check_size(size, max_bytes, url)
            if cancelled is not None and cancelled():
                raise Cancelled(f"the download of {display(url)} was cancelled")
            try:
                file.write(chunk)
            except OSError as error:
                raise write_error(error, display(file.name)) from error
        if length is not None and size != length:
            raise TransientError(f"{display(url)}: the connection ended after {size} of {length} bytes")
    try:
        file.flush()
    except OSError as error:
        raise write_error(error, display(file.name)) from error
    return size


@contextlib.contextmanager
def _open(url: str, policy: FetchPolicy) -> Iterator[tuple[IO[bytes], int | None]]:
    if scheme_of(url) in ("http", "https"):
        # Brings ssl, which takes 20 ms.
        from pitchey_core.storage.http import open_http

        with open_http(url, policy) as opened:
            yield opened
        return
    remote = open_remote(url)
    with remote_errors(url):
        if remote.fs.isdir(remote.path):
            raise InputError(f"{display(url)} is a folder, not a file")
        with remote.fs.open(remote.path, "rb", cache_type="readahead") as source:
            yield source, None
