"""Who a sandboxed program is: nobody, without a right that nobody else has."""

from __future__ import annotations

import contextlib
import os
from typing import Final

from pitchey_core.isolation.jail.kernel import (
    CLONE_NEWUSER,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_SECUREBITS,
    SECBIT_NO_SETUID_FIXUP,
    clear_capabilities,
    prctl,
    unshare,
)

__all__ = [
    "NOBODY",
    "become",
    "enter_user_namespace",
    "forbid_namespaces",
    "give_up",
    "in_first_user_namespace",
    "spare_uid",
]

NOBODY: Final = 65534
"""As whom the program sees itself."""
_FIRST_SPARE: Final = 0x60000000
_PIDS: Final = 1 << 22


def spare_uid(pid: int) -> int | None:
    """A user ID of the host that nobody has, different for each ``pid``; ``None`` where too few IDs are mapped here."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        ranges = [tuple(map(int, line.split())) for line in file]
    for first, _, count in ranges:
        if first <= _FIRST_SPARE and first + count > _FIRST_SPARE + _PIDS:
            return _FIRST_SPARE + pid % _PIDS
    first, _, count = max(ranges, key=lambda each: each[2])
    # In a container with, say, 65,536 IDs: below its last, which is nobody's there.
    return first + count - 2 - pid % 4096 if count > 2 * 4096 else None


def in_first_user_namespace() -> bool:
    """Whether every user ID is its own: then the kernel trusts root more than anywhere else."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split() == ["0", "0", str((1 << 32) - 1)]


def become(uid: int) -> None:
    """Change to another user, and keep the capabilities for what is still to do."""
    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    # The change of user has cleared it, and with it the access to our own entries in /proc.
    prctl(PR_SET_DUMPABLE, 1)


def enter_user_namespace(proc: int, inside: int) -> None:
    """Enter a new user namespace in which this user is ``inside``, and the only one.

    Args:
        proc: Descriptor of a ``/proc`` in which this process is visible.
    """
    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER)
    prctl(PR_SET_DUMPABLE, 1)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {uid} 1"),
        ("gid_map", f"{inside} {gid} 1"),
    ):
        _write(f"self/{name}", text, proc)


def forbid_namespaces(proc: int) -> None:
    """Let nobody in this user namespace make another namespace of users, whatever the other walls allow."""
    with contextlib.suppress(OSError):
        # Where /proc/sys is read-only, as in many containers, the filter of system calls has to do.
        _write("sys/user/max_user_namespaces", "0", proc)


def give_up() -> None:
    """The last step: no capabilities, none to be had from a file either, and no way for others to look inside."""
    clear_capabilities()
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_DUMPABLE, 0)


def _write(name: str, text: str, proc: int) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)
