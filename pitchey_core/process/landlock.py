"""Landlock: what this process and its children may open from now on. Loaded by the launcher, only when asked for.

It depends on nothing of this package, for the launcher loads it by itself. See landlock(7).
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

__all__ = ["DEVICE", "OWN", "READ", "SYSTEM", "confine", "landlock_version", "restrict", "ruleset"]

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_VERSION_FLAG: Final = 1
_PATH_BENEATH: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_SOCK, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 11
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
# What is controlled at all, by version of the interface: 13 rights, then renaming between folders, truncating, ioctl.
_CONTROLLED: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_LATEST: Final = (1 << 16) - 1
_OF_A_FILE: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
READ: Final = _EXECUTE | _READ_FILE | _READ_DIR
DEVICE: Final = _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
# No device nodes: root could make one of the disk. Nor is anything run that was put there.
OWN: Final = _LATEST & ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK)

_TCP: Final = 0b11  # bind and connect
_TCP_SINCE: Final = 4
_SCOPES: Final = 0b11  # abstract sockets and signals
_SCOPES_SINCE: Final = 6

SYSTEM: Final = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store", "/snap",
    "/proc", "/sys/devices/system/cpu", "/var/cache/fontconfig",
)  # fmt: skip
# Not all of it: as root, that would be its keys and passwords too.
_ETC: Final = (
    "ImageMagick-6", "ImageMagick-7", "OpenCL", "alternatives", "ca-certificates", "crypto-policies", "fonts",
    "ghostscript", "gnutls", "group", "host.conf", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
    "ld.so.preload", "libreoffice", "locale.alias", "locale.conf", "localtime", "machine-id", "magic", "mime.types",
    "nsswitch.conf", "os-release", "paperspecs", "papersize", "passwd", "pki/tls/certs", "protocols", "resolv.conf",
    "services", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone", "vulkan",
)  # fmt: skip
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
# Where some programs, LibreOffice for one, make a socket whatever TMPDIR says. They can make but not remove it.
_SOCKETS: Final = ("/tmp", "/var/tmp")  # noqa: S108
_BESIDE_PROGRAMS: Final = ("lib", "lib64", "libexec", "share")


def landlock_version() -> int:
    """Of the kernel's interface; 0 where there is none or it is off."""
    try:
        return max(0, _syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG))
    except OSError:
        return 0


def confine(folders: Sequence[str], program: str) -> str:
    """Let this process read and write beneath some folders only, and read what ``program`` needs of the system.

    Returns:
        ``landlock``, or ``not enforced:`` and the reason; then nothing has changed.
    """
    try:
        rules = ruleset(_rules(folders, program))
        try:
            _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            restrict(rules)
        finally:
            os.close(rules)
    except OSError as error:
        return f"not enforced: {error.strerror}"
    return "landlock"


def ruleset(rules: Iterable[tuple[str, int]], *, alone: bool = False) -> int:
    """A descriptor of what is allowed: each path with its rights, :data:`READ`, :data:`OWN` or :data:`DEVICE`.

    Args:
        alone: Forbid also, as far as the kernel can, TCP (Linux 6.7), and others' abstract sockets and signals (6.12).

    Raises:
        OSError: The kernel has no Landlock, or it is off.
    """
    version = _syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    controlled = _CONTROLLED.get(version, _LATEST)
    attributes = [controlled]
    if alone and version >= _TCP_SINCE:
        attributes.append(_TCP)
    if alone and version >= _SCOPES_SINCE:
        attributes.append(_SCOPES)
    packed = struct.pack(f"{len(attributes)}Q", *attributes)
    descriptor = _syscall(_CREATE_RULESET, packed, len(packed), 0)
    for path, rights in rules:
        _allow(descriptor, path, rights & controlled)
    return descriptor


def restrict(rules: int) -> None:
    """Put this process and all it starts under a :func:`ruleset`; it must have no_new_privs."""
    _syscall(_RESTRICT_SELF, rules, 0)


def _rules(folders: Sequence[str], program: str) -> Iterator[tuple[str, int]]:
    for each in folders:
        yield each, OWN
    for each in (*SYSTEM, *(f"/etc/{name}" for name in _ETC), *_of_program(os.path.realpath(program))):
        yield each, READ
    for each in _SOCKETS:
        yield each, _MAKE_SOCK
    for each in _DEVICES:
        yield each, DEVICE


def _of_program(path: str) -> Iterator[str]:
    """Where the rest of it is: in ``/opt/NAME``, beside it, and in ``lib`` and ``share`` beside its ``bin``."""
    folder, _ = os.path.split(path)
    yield folder
    if path.startswith("/opt/") and path.count("/") > 2:
        yield "/".join(path.split("/")[:3])
    above, name = os.path.split(folder)
    if name in {"bin", "program"}:
        yield from (f"{above}/{each}" for each in _BESIDE_PROGRAMS)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        # Few hosts have all of these, and what cannot be opened needs no permission.
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_A_FILE
        _syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    """All of them are long, as the C library's syscall() takes them."""
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(_LIBC.syscall(ctypes.c_long(number), *words))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
