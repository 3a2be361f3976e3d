"""Runs a command as a user without rights, where the tests run as root.

The interpreter may lie in a folder that only root can enter, such as root's home. So this makes a mount namespace of
its own, in which such a folder is covered by an empty one that holds what is needed and nothing else.

Run as ``python plain_user.py UID PATH … -- COMMAND …``.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from pitchey_core.isolation.jail.kernel import (
    CLONE_NEWNS,
    MS_BIND,
    MS_PRIVATE,
    MS_REC,
    mount,
    unshare,
)

PLAIN_UID = 61234


def _closed_folder(path: Path) -> Path | None:
    """The first folder above ``path`` that others cannot enter."""
    for each in reversed(path.parents):
        if not each.stat().st_mode & stat.S_IXOTH:
            return each
    return None


def open_up(paths: list[Path]) -> None:
    """Let everybody reach ``paths``, in this mount namespace only."""
    unshare(CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    covered: dict[Path, list[tuple[Path, int]]] = {}
    for path in paths:
        closed = _closed_folder(path)
        if closed is not None:
            covered.setdefault(closed, []).append((path, os.open(path, os.O_PATH)))
    for closed, inside in covered.items():
        mount("tmpfs", str(closed), "tmpfs", 0, "mode=0755")
        for path, handle in inside:
            path.mkdir(parents=True, exist_ok=True)
            mount(f"/proc/self/fd/{handle}", str(path), None, MS_BIND | MS_REC)
            os.close(handle)


def main(arguments: list[str]) -> None:
    uid = int(arguments[0])
    split = arguments.index("--")
    open_up([Path(each) for each in arguments[1:split]])
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execv(arguments[split + 1], arguments[split + 1 :])


if __name__ == "__main__":
    main(sys.argv[1:])
