"""Where a SQLite store lies, and whether it can safely lie there."""

from __future__ import annotations

import re
from pathlib import Path

from pitchey_core.errors import ConfigError, StoreError

__all__ = ["file_system", "locate"]

_MOUNTS = Path("/proc/self/mountinfo")

# File locks or shared memory maps do not reach across the hosts (or, for 9p, the virtual machines) of these.
_NETWORK = frozenset({
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "gfs2", "glusterfs", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf",
    "vmhgfs",
    "fuse.ceph", "fuse.gcsfuse", "fuse.glusterfs", "fuse.goofys", "fuse.juicefs", "fuse.rclone", "fuse.s3fs",
    "fuse.seaweedfs", "fuse.sshfs", "fuse.vmhgfs-fuse",
})  # fmt: skip


def locate(url: str) -> Path:
    """The absolute path that a ``sqlite:///`` URL or a bare path names.

    Raises:
        ConfigError: The URL has a host or options, which SQLite does not have.
        StoreError: It names memory, a folder, or a network file system.
    """
    scheme, separator, rest = url.partition("://")
    if separator:
        if not rest.startswith("/") and rest not in {"", ":memory:"}:
            raise ConfigError(
                f"store: {url!r} has a host; SQLite has none",
                remedy=f"three slashes for a relative path, four for an absolute one: {scheme}:///{rest}",
            )
        name = rest.removeprefix("/")
        if "?" in name:
            raise ConfigError(f"store: {url!r} has options; SQLite stores take none")
    else:
        name = url
    if name in {"", ":memory:"} or name.startswith("file:"):
        raise StoreError(
            f"{url!r} is no place for a job store: jobs kept in memory are lost with the process",
            remedy="name a file: sqlite:///pitchey.db",
        )
    path = Path(name).absolute()
    if path.is_dir():
        raise StoreError(f"{path} is a folder", remedy=f"name a file in it: {path}/pitchey.db")
    kind = file_system(path)
    if kind in _NETWORK:
        raise StoreError(
            f"{path} is on a network file system ({kind}), where SQLite's locks cannot be relied on",
            remedy="set PITCHEY_STORE to a path on a local disk",
        )
    return path


def file_system(path: Path) -> str | None:
    """The type of the file system that holds ``path``; ``None`` where the host does not say."""
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    real = path.resolve()
    best, kind = -1, None
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        # The kernel escapes blanks as octal; of two mounts in one place the later one is seen.
        point = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4]))
        if len(point.parts) >= best and real.is_relative_to(point):
            best, kind = len(point.parts), after.split(" ")[0]
    return kind
