"""The filter of system calls: default-deny, assembled here, for x86_64 and aarch64. See seccomp(2).

Only the low half of an argument is compared: every argument that is checked is an ``int`` to the kernel, which ignores
the high half just the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from pitchey_core.isolation.jail.syscalls import ALLOWED, CHECKED, REFUSED

__all__ = ["assemble"]

_EPERM: Final = 1
_EINVAL: Final = 22
_ENOSYS: Final = 38
_EAFNOSUPPORT: Final = 97

_LOAD, _EQUAL, _AT_LEAST, _ABOVE, _AND, _RETURN = 0x20, 0x15, 0x35, 0x25, 0x54, 0x06
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_KILL: Final = 0x80000000
_X32: Final = 0x40000000
_MACHINES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the numbers' table, and ``AUDIT_ARCH_…``."""

_ANY_NAMESPACE: Final = 0x7E020000  # CLONE_NEWUSER, NEWNS and the others
_TERMINAL: Final = (0x5401, 0x5413, 0x540F)  # TCGETS, TIOCGWINSZ, TIOCGPGRP: what isatty() and libuv ask
_DESCRIPTOR: Final = (
    0x541B,
    0x5421,
    0x5450,
    0x5451,
    0x5452,
)  # FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, FIOASYNC
# PDEATHSIG (set, get), get DUMPABLE, NAME (set, get), get SECCOMP, CAPBSET_READ, TIMERSLACK (set, get), NO_NEW_PRIVS
# (set, get), THP_DISABLE (set, get), SET_VMA.
_PRCTL: Final = (1, 2, 3, 15, 16, 21, 23, 29, 30, 38, 39, 41, 42, 0x53564D41)
_NOT_FCNTL: Final = (8, 10, 15, 1024, 1026, 1031)  # SETOWN, SETSIG, SETOWN_EX, SETLEASE, NOTIFY, SETPIPE_SZ
_SHARED_ANONYMOUS: Final = 0x21
# COLD and PAGEOUT would hide memory in the swap; kernels before 5.4 know neither.
_PAGED_OUT: Final = (20, 21)
_SEND_BUFFER: Final = (7, 32)  # SNDBUF and SNDBUFFORCE: megabytes for each socket
_S_IFMT, _S_IFIFO, _S_IFREG = 0o170000, 0o010000, 0o100000

_Instruction = tuple[int, int, int, int]


def assemble(machine: str, *, shared_memory: bool = True) -> bytes:
    """The filter's instructions for one architecture.

    Args:
        shared_memory: Whether memory may be shared without a file. It stays where it is when nobody maps it any more,
            so only a cgroup can count it.

    Raises:
        OSError: There is no table of numbers for it.
    """
    if machine not in _MACHINES:
        raise OSError(_ENOSYS, f"no seccomp filter for the architecture {machine}")
    column, audit = _MACHINES[machine]
    program: list[_Instruction] = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for name, number in _numbers(CHECKED, column).items():
        if name == "mmap" and shared_memory:
            continue
        body = list(_check(name))
        program += [(_EQUAL, 0, len(body), number), *body]
    for table, answer in ((ALLOWED, _ALLOW), (REFUSED, _ERRNO | _EPERM)):
        for first, last in _ranges(sorted(_numbers(table, column).values())):
            program += [(_AT_LEAST, 0, 2, first), (_ABOVE, 1, 0, last), (_RETURN, 0, 0, answer)]
    program.append((_RETURN, 0, 0, _ERRNO | _ENOSYS))
    return b"".join(struct.pack("=HBBI", *each) for each in program)


def _numbers(table: str, column: int) -> dict[str, int]:
    rows = [each.split(":") for each in table.split()]
    return {name: int(numbers[column]) for name, *numbers in rows if numbers[column]}


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = last = numbers[0]
    for each in numbers[1:]:
        if each != last + 1:
            yield first, last
            first = each
        last = each
    yield first, last


def _check(name: str) -> Iterator[_Instruction]:  # noqa: C901 - one table
    """The instructions for one call whose arguments matter; each way through them ends with a verdict."""
    match name:
        case "socket":
            yield _RETURN, 0, 0, _ERRNO | _EAFNOSUPPORT
        case "socketpair":
            yield from _only(0, (1,), _EAFNOSUPPORT)  # AF_UNIX
        case "clone":
            yield from _only(0, (0,), _EPERM, mask=_ANY_NAMESPACE)
        case "ioctl":
            yield from _only(1, _TERMINAL + _DESCRIPTOR, _EPERM)
        case "prctl":
            yield from _only(0, _PRCTL, _EPERM)
        case "personality":
            yield from _only(0, (0, 0xFFFFFFFF), _EPERM)
        case "prlimit64":
            yield from _only(0, (0,), _EPERM)  # itself
        case "mmap":
            yield from _never(3, (_SHARED_ANONYMOUS,), _EPERM, mask=_SHARED_ANONYMOUS)
        case "madvise":
            yield from _never(2, _PAGED_OUT, _EINVAL)
        case "setsockopt":
            yield from _never(2, _SEND_BUFFER, _EPERM)
        case "fcntl":
            yield from _never(1, _NOT_FCNTL, _EPERM)
        case "mknod":
            yield from _only(1, (_S_IFIFO, _S_IFREG, 0), _EPERM, mask=_S_IFMT)
        case "mknodat":
            yield from _only(2, (_S_IFIFO, _S_IFREG, 0), _EPERM, mask=_S_IFMT)
        case _:
            raise AssertionError(name)


def _argument(index: int, mask: int | None) -> Iterator[_Instruction]:
    yield _LOAD, 0, 0, _ARGUMENTS_AT + 8 * index
    if mask is not None:
        yield _AND, 0, 0, mask


def _only(
    index: int, values: tuple[int, ...], error: int, *, mask: int | None = None
) -> Iterator[_Instruction]:
    yield from _argument(index, mask)
    for place, value in enumerate(values):
        yield _EQUAL, len(values) - place, 0, value
    yield _RETURN, 0, 0, _ERRNO | error
    yield _RETURN, 0, 0, _ALLOW


def _never(
    index: int, values: tuple[int, ...], error: int, *, mask: int | None = None
) -> Iterator[_Instruction]:
    yield from _argument(index, mask)
    for place, value in enumerate(values):
        yield _EQUAL, len(values) - place, 0, value
    yield _RETURN, 0, 0, _ALLOW
    yield _RETURN, 0, 0, _ERRNO | error
