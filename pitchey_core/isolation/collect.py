"""Files into a sandbox and out of it, by descriptor.

Inward before the program starts, outward after its last process is dead: nobody can swap what is looked at. Outward
everything is hostile: no link is followed, nothing but a regular file with a single name is opened, and depth, number
and size are limited.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import math
import os
import stat
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from pitchey_core.errors import InputError
from pitchey_core.isolation.policy import SandboxPolicy
from pitchey_core.isolation.report import CollectedFile

__all__ = ["Collected", "check_name", "encodable", "put_files"]

_SYS_OPENAT2: Final = 437
# RESOLVE_NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS and BENEATH
_RESOLVE: Final = 0x01 | 0x02 | 0x04 | 0x08
_DEEPEST: Final = 32
_MOST_ENTRIES: Final = 20_000
_MOST_REFUSED: Final = 256
_MOST_SECONDS: Final = 10.0
"""Of looking at what there is: patterns may be hostile, too."""
_BLOCK: Final = 512
_CHUNK: Final = 1024**2
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO would otherwise wait for its writer.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

_Folder = tuple[tuple[str, ...], list[set[int]]]
"""The parts of a folder's name, and for each pattern the places that it has come to."""

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.setfsuid.argtypes = _LIBC.setfsgid.argtypes = [ctypes.c_uint]


def check_name(name: str) -> list[str]:
    """The parts of a relative name.

    Raises:
        InputError: It is empty, absolute, has a NUL, half of a surrogate pair or a part ``.`` or ``..``.
    """
    parts = name.split("/")
    unfit = "\0" in name or any(part in {"", ".", ".."} for part in parts)
    if unfit or not encodable(name):
        raise InputError(
            f"{name!r} cannot be the name of a file in the sandbox",
            remedy="name it relative to the working folder, without '.' and '..'",
        )
    return parts


def encodable(word: str) -> bool:
    """Whether the kernel can be given it: text, or undecodable bytes as ``os.fsdecode`` makes them."""
    try:
        os.fsencode(word)
    except UnicodeEncodeError:
        return False
    return True


def put_files(folder: int, files: Mapping[str, bytes], owner: int | None) -> None:
    """Write files below a folder that nobody else can reach yet, as the user that the program will be.

    Raises:
        InputError: They do not fit, or two names exclude each other.
    """
    with _as_user(owner):
        for name, content in files.items():
            try:
                _put(folder, check_name(name), content)
            except OSError as error:
                full = error.errno == errno.ENOSPC
                raise InputError(
                    f"the file {name!r} cannot be put into the sandbox: {error.strerror}",
                    remedy="raise the limit on files, or give it smaller ones" if full else None,
                ) from error


def _put(folder: int, parts: Sequence[str], content: bytes) -> None:
    at = os.dup(folder)
    try:
        for part in parts[:-1]:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=at)
            below = os.open(part, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        descriptor = os.open(parts[-1], _NEW, 0o644, dir_fd=at)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)
    finally:
        os.close(at)


@contextlib.contextmanager
def _as_user(owner: int | None) -> Iterator[None]:
    """Let this thread make files as another user: in a sandbox's file system, others may have no place at all."""
    if owner is None:
        yield
        return
    _LIBC.setfsgid(owner)
    _LIBC.setfsuid(owner)
    try:
        yield
    finally:
        _LIBC.setfsuid(os.geteuid())
        _LIBC.setfsgid(os.getegid())


class Collected:
    """Copies of what a program left in its working folder.

    Attributes:
        files: The copies.
        refused: What was asked for and not copied, each with the reason.
    """

    def __init__(self, policy: SandboxPolicy) -> None:
        self._policy = policy
        self._entries = 0
        self._bytes = 0
        self._end = math.inf
        self.files: list[CollectedFile] = []
        self.refused: list[tuple[str, str]] = []

    def copy(self, folder: int, patterns: Sequence[str], into: Path) -> None:
        """Copy what matches a pattern from the folder behind a descriptor."""
        wanted = [pattern.split("/") for pattern in patterns]
        pending: list[_Folder] = [((), [_skip(pattern, {0}) for pattern in wanted])]
        self._end = time.monotonic() + _MOST_SECONDS
        while pending:
            above, places = pending.pop()
            at = os.dup(folder)
            try:
                for part in above:
                    below = _open_beneath(at, part, _FOLDER)
                    os.close(at)
                    at = below
                pending += self._copy_one_folder(at, above, wanted, places, into)
            except OSError as error:
                self._refuse("/".join(above), error.strerror or str(error))
            finally:
                os.close(at)

    def _copy_one_folder(
        self,
        at: int,
        above: tuple[str, ...],
        wanted: Sequence[Sequence[str]],
        places: Sequence[set[int]],
        into: Path,
    ) -> Iterator[_Folder]:
        for name in self._names(at):
            parts = (*above, name)
            shown = "/".join(parts)
            reached = [_advance(*each, name) for each in zip(wanted, places, strict=True)]
            try:
                info = os.stat(name, dir_fd=at, follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    if not any(
                        min(each, default=len(pattern)) < len(pattern)
                        for pattern, each in zip(wanted, reached, strict=True)
                    ):
                        continue
                    if len(parts) >= _DEEPEST:
                        self._refuse(shown, f"more than {_DEEPEST} folders deep")
                        continue
                    yield parts, reached
                elif any(len(pattern) in each for pattern, each in zip(wanted, reached, strict=True)):
                    self._copy_file(at, name, shown, into)
            except OSError as error:
                self._refuse(shown, error.strerror or str(error))

    def _names(self, at: int) -> Iterator[str]:
        with os.scandir(at) as entries:
            for entry in entries:
                self._entries += 1
                if time.monotonic() > self._end:
                    self._refuse("", f"more than {_MOST_SECONDS:g} s: the rest was not looked at")
                    return
                if self._entries > _MOST_ENTRIES:
                    self._refuse(
                        "", f"more than {_MOST_ENTRIES} files and folders: the rest was not looked at"
                    )
                    return
                yield entry.name

    def _copy_file(self, at: int, name: str, shown: str, into: Path) -> None:
        if not shown.isprintable():
            self._refuse(shown, "its name is not printable text")
            return
        # Before it is opened: to open a device may already do something.
        reason = _unfit(os.stat(name, dir_fd=at, follow_symlinks=False))
        if reason is not None:
            self._refuse(shown, reason)
            return
        source = _open_beneath(at, name, _FILE)
        try:
            info = os.fstat(source)
            reason = _unfit(info) or self._too_much(info)
            if reason is not None:
                self._refuse(shown, reason)
                return
            target = into.joinpath(*shown.split("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(source, target, info.st_size)
        finally:
            os.close(source)
        self._bytes += info.st_size
        self.files.append(CollectedFile(shown, target, info.st_size))

    def _too_much(self, info: os.stat_result) -> str | None:
        policy = self._policy
        size = max(info.st_size, info.st_blocks * _BLOCK)
        if size > policy.file_bytes:
            return f"{size} bytes; the most for one file is {policy.file_bytes}"
        if len(self.files) >= policy.output_files:
            return f"more than {policy.output_files} files"
        if self._bytes + info.st_size > policy.output_bytes:
            return f"with it, the files are more than {policy.output_bytes} bytes together"
        return None

    def _refuse(self, name: str, reason: str) -> None:
        if len(self.refused) < _MOST_REFUSED:
            self.refused.append((name.encode("utf-8", "backslashreplace").decode(), reason))


def _unfit(info: os.stat_result) -> str | None:
    if not stat.S_ISREG(info.st_mode):
        kinds = {stat.S_IFLNK: "symbolic link", stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket"}
        kind = kinds.get(stat.S_IFMT(info.st_mode), "device")
        return f"not a regular file but a {kind}"
    if info.st_nlink != 1:
        return f"a hard link: it has {info.st_nlink} names"
    return None


def _advance(pattern: Sequence[str], places: set[int], part: str) -> set[int]:
    """How far into a pattern a name has come with one more part, from all places where it may have been.

    All at once, because to try one after another takes exponential time with several ``**``.
    """
    reached = set()
    for place in places:
        if place == len(pattern):
            continue
        if pattern[place] == "**":
            reached.add(place)
        elif fnmatchcase(part, pattern[place]):
            reached.add(place + 1)
    return _skip(pattern, reached)


def _skip(pattern: Sequence[str], places: set[int]) -> set[int]:
    """With the places behind each ``**``, which may stand for nothing."""
    for place in sorted(places):
        following = place
        while following < len(pattern) and pattern[following] == "**":
            following += 1
            places.add(following)
    return places


def _open_beneath(at: int, name: str, flags: int) -> int:
    how = struct.pack("=QQQ", flags, 0, _RESOLVE)
    words = [ctypes.c_long(_SYS_OPENAT2), ctypes.c_long(at), os.fsencode(name), how, ctypes.c_long(len(how))]
    descriptor = int(_LIBC.syscall(*words))
    if descriptor >= 0:
        return descriptor
    code = ctypes.get_errno()
    if code in {errno.ENOSYS, errno.EPERM}:
        # Before Linux 5.6. One step from an open folder, and not over a link: there is nowhere else to go.
        return os.open(name, flags, dir_fd=at)
    raise OSError(code, os.strerror(code))


def _copy(source: int, target: Path, size: int) -> None:
    into = os.open(target, _NEW, 0o644)
    try:
        while size > 0:
            sent = os.sendfile(into, source, None, min(size, _CHUNK))
            if not sent:
                break
            size -= sent
    finally:
        os.close(into)
