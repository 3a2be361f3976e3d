"""A minimal read-only root, in a mount namespace of its own.

Built once for each set of host folders that programs need, and kept as a *template*: a sandbox joins it, makes a
private copy, and mounts only its own file system and its own ``/proc``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Sequence
from typing import Final

from pitchey_core.isolation.jail.kernel import (
    CLONE_NEWNS,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    enter_root,
    mount,
    restrict_mount,
    unmount,
    unshare,
)

__all__ = ["DEVICES", "HOME", "TEMPORARY", "build_root", "mount_own", "mount_proc"]

OWN: Final = "/job"
HOME: Final = "/job/work"
TEMPORARY: Final = "/job/tmp"
DEVICES: Final = ("null", "zero", "full", "random", "urandom")

_FOLDERS: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
_COPIED: Final = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime")
_LINKS: Final = "/etc/alternatives"
_OLD_PROC: Final = "/.proc"
_MOST_COPIED: Final = 4 * 1024**2
_GENERATED: Final = {
    "/etc/passwd": "nobody:x:65534:65534:nobody:/job/work:/usr/sbin/nologin\n",
    "/etc/group": "nogroup:x:65534:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_SHARED_TEMPORARY: Final = "/tmp"  # noqa: S108 - a link to the program's own
_STAGE: Final = "/tmp"  # noqa: S108 - a mount point that every host has; the mount is in our namespace only


def build_root(read_only: Sequence[str], *, keep_proc: bool) -> None:
    """Move this process into a new mount namespace whose root is minimal. Needs CAP_SYS_ADMIN in its user namespace.

    Args:
        keep_proc: Leave the host's ``/proc`` for :func:`mount_proc` to remove: in a user namespace, the kernel grants a
            new one only to those who see one.
    """
    unshare(CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    # By descriptor from here on: the stage hides what is below its mount point, which may be what is wanted.
    devices = {f"/dev/{name}": _handle(f"/dev/{name}") for name in DEVICES}
    folders = {path: _handle(path) for path in (*_FOLDERS, _LINKS, *read_only) if _exists(path, read_only)}
    copies = {path: _content(path) for path in _COPIED if os.path.exists(path)}
    mount("tmpfs", _STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m,nr_inodes=4096")
    for path, handle in folders.items():
        if path in _FOLDERS and os.path.islink(path):
            os.symlink(os.readlink(path), _STAGE + path)
        elif not _covered(path, folders):
            _bind(handle, path)
            restrict_mount(_STAGE + path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
    for path, handle in devices.items():
        _bind(handle, path)
        restrict_mount(_STAGE + path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)
    for path, content in {**copies, **{name: text.encode() for name, text in _GENERATED.items()}}.items():
        _folder(os.path.dirname(_STAGE + path))
        with open(_STAGE + path, "wb") as file:
            file.write(content)
    for path in (OWN, "/proc"):
        _folder(_STAGE + path)
    if keep_proc:
        _folder(_STAGE + _OLD_PROC)
        mount("/proc", _STAGE + _OLD_PROC, None, MS_BIND | MS_REC)
    with contextlib.suppress(FileExistsError):
        # Unless a folder that the program needs lies there on this host; it has TMPDIR in any case.
        os.symlink(TEMPORARY, _STAGE + _SHARED_TEMPORARY)
    enter_root(_STAGE)
    mount("none", "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    for handle in (*devices.values(), *folders.values()):
        os.close(handle)


def mount_own(size: int, inodes: int, owner: int) -> None:
    """The file system that a program may write to: in memory, gone with the last process."""
    mount("tmpfs", OWN, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=0755,size={size},nr_inodes={inodes}")
    for path in (HOME, TEMPORARY):
        os.mkdir(path, 0o700)
        os.chown(path, owner, owner)


def mount_proc(*, kept: bool, wanted: bool) -> str:
    """A ``/proc`` of this PID namespace, read-only; only of processes where the kernel can leave out the rest.

    Args:
        kept: The host's is still there, and is removed.
        wanted: Whether there is such a namespace.

    Returns:
        What it is, in words. Where the kernel refuses it, it is empty: so it is in some containers.
    """
    try:
        return _mount_proc() if wanted else "no /proc"
    finally:
        if kept:
            unmount(_OLD_PROC)


def _mount_proc() -> str:
    flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
    for data, words in (("hidepid=invisible,subset=pid", "processes only"), ("hidepid=2", "hidden PIDs")):
        try:
            mount("proc", "/proc", "proc", flags, data)
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EINVAL}:
                raise
        else:
            return f"/proc with {words}"
    return "no /proc"


def _exists(path: str, wanted: Sequence[str]) -> bool:
    # What a program asks for must be there; of the system, hosts have some and not others.
    return path in wanted or os.path.lexists(path)


def _covered(path: str, folders: Sequence[str] | dict[str, int]) -> bool:
    """Whether a folder above it is bound already."""
    return any(path.startswith(each + "/") for each in folders if each != path and not os.path.islink(each))


def _handle(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_MOST_COPIED)


def _bind(handle: int, path: str) -> None:
    target = _STAGE + path
    _folder(os.path.dirname(target))
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        _folder(target)
    elif not os.path.lexists(target):
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    mount(f"/proc/self/fd/{handle}", target, None, MS_BIND | MS_REC)


def _folder(path: str) -> None:
    os.makedirs(path, 0o755, exist_ok=True)
