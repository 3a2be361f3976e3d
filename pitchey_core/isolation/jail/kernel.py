"""System calls that the standard library lacks. Each raises ``OSError`` when the kernel refuses."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any, Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 0x2
MOUNT_ATTR_RDONLY: Final = 0x1
MOUNT_ATTR_NOSUID: Final = 0x2
MOUNT_ATTR_NODEV: Final = 0x4
MOUNT_ATTR_NOEXEC: Final = 0x8

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_SECCOMP: Final = 22
PR_CAPBSET_READ: Final = 23
PR_CAPBSET_DROP: Final = 24
PR_SET_SECUREBITS: Final = 28
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
SECBIT_NO_SETUID_FIXUP: Final = 1 << 2
# NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE, each locked, and KEEP_CAPS locked in its off state.
SECBITS_SHUT: Final = 0b11_10_11_11

_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_SYS_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_SYS_CLOSE_RANGE: Final = 436
_MOST: Final = 1 << 31
_SYS_MOUNT_SETATTR: Final = 442
_CAPABILITY_VERSION_3: Final = 0x20080522

MACHINE: Final = os.uname().machine
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_LIBC.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]
_LIBC.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
_LIBC.signal.restype = ctypes.c_void_p


def _check(result: int, about: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{about}: {os.strerror(code)}")
    return result


def _syscall(about: str, number: int, *arguments: Any) -> int:
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _check(int(_LIBC.syscall(ctypes.c_long(number), *words)), about)


def unshare(flags: int) -> None:
    _check(_LIBC.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    _check(_LIBC.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    words = [None if each is None else os.fsencode(each) for each in (source, target, kind)]
    _check(_LIBC.mount(*words, flags, data.encode()), f"mount of {target}")


def unmount(path: str) -> None:
    _check(_LIBC.umount2(os.fsencode(path), MNT_DETACH), f"umount of {path}")


def restrict_mount(path: str, attributes: int) -> None:
    """Add ``MOUNT_ATTR_…`` to a mount and all below it (Linux 5.12)."""
    argument = struct.pack("=QQQQ", attributes, 0, 0, 0)
    _syscall(
        "mount_setattr",
        _SYS_MOUNT_SETATTR,
        _AT_FDCWD,
        os.fsencode(path),
        _AT_RECURSIVE,
        argument,
        len(argument),
    )


def enter_root(path: str) -> None:
    """Make a mount the root, and let go of the old one."""
    os.chdir(path)
    _syscall("pivot_root", _SYS_PIVOT_ROOT[MACHINE], b".", b".")
    unmount(".")
    os.chdir("/")


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    return _check(_LIBC.prctl(option, first, second, 0, 0), f"prctl {option}")


def default_signal(number: int) -> None:
    """What ``signal.signal(number, SIG_DFL)`` does, without the interpreter's own account of it, which is dear in a
    fresh fork."""
    _LIBC.signal(number, None)


def set_hostname(name: bytes) -> None:
    _check(_LIBC.sethostname(name, len(name)), "sethostname")


def close_all_but(*kept: int) -> None:
    """Close every other descriptor from 3 on; the standard streams stay as they are."""
    first = 3
    for each in (*sorted(kept), _MOST):
        if first < each:
            _close_range(first, each - 1)
        first = each + 1


def _close_range(first: int, last: int) -> None:
    try:
        _syscall("close_range", _SYS_CLOSE_RANGE, first, last, 0)
    except OSError:  # before Linux 5.9
        os.closerange(first, min(last + 1, os.sysconf("SC_OPEN_MAX")))


def clear_capabilities() -> None:
    """Give up all capabilities, for good: also those that a program with file capabilities would get."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    if not _permitted():
        return
    number = 0
    prctl(PR_SET_SECUREBITS, SECBITS_SHUT)
    # Up to the last one that this kernel has.
    while _LIBC.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _check(_LIBC.capset(header, struct.pack("=6I", 0, 0, 0, 0, 0, 0)), "capset")


def _permitted() -> int:
    """This process's permitted capabilities."""
    answer = ctypes.create_string_buffer(24)
    _check(_LIBC.capget(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), answer), "capget")
    _, low, _, _, high, _ = struct.unpack("=6I", answer.raw)
    return int(low | high << 32)


class Filter:
    """A seccomp filter, given as its instructions, and laid out for the kernel once."""

    def __init__(self, program: bytes) -> None:
        self._program = ctypes.create_string_buffer(program, len(program))
        # struct sock_fprog: the number of instructions, and where they are.
        argument = struct.pack("@HP", len(program) // 8, ctypes.addressof(self._program))
        self._argument = ctypes.create_string_buffer(argument, len(argument))
        self._address = ctypes.addressof(self._argument)

    def install(self) -> None:
        """Set it for this process and all it starts."""
        prctl(PR_SET_SECCOMP, 2, self._address)
