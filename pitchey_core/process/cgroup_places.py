"""Where groups of the kernel (:mod:`pitchey_core.process.cgroups`) can be made, and how they are named."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from pitchey_core.process.tree import pid_namespace, process_start_ticks, read_process

__all__ = ["Place", "delegate", "own_groups", "owned_name", "owner_is_dead", "places", "write"]

_PREFIX: Final = "pitchey"
_OWNED: Final = re.compile(rf"{_PREFIX}-[a-z]+-(\d+)-(\d+)-(\d+)(?:-[0-9a-f]+)?$")
_HOME: Final = f"{_PREFIX}-home"
_CONTROLLERS: Final = frozenset({"memory", "pids", "cpu", "cpuacct", "freezer"})
_WANTED_V2: Final = ("memory", "pids", "cpu")


class Place(NamedTuple):
    """One mounted hierarchy, and the folder in it below which groups of ours come into being.

    Attributes:
        controllers: What can be limited there. Version 2 freezes, kills and counts CPU time without any.
    """

    folder: Path
    controllers: frozenset[str]
    unified: bool


def owned_name(what: str, pid: int | None = None, start_ticks: int | None = None) -> str:
    """Name of the group that a process owns, by default this one; ``what`` in small letters.

    An owner of several of one kind adds ``-`` and a hexadecimal number.
    """
    pid = os.getpid() if pid is None else pid
    ticks = process_start_ticks(pid) if start_ticks is None else start_ticks
    return f"{_PREFIX}-{what}-{pid_namespace()}-{pid}-{ticks or 0}"


def owner_is_dead(name: str) -> bool:
    """Whether a group of that name has outlived its owner."""
    match = _OWNED.match(name)
    if match is None or int(match[1]) != pid_namespace():
        return False
    entry = read_process(int(match[2]))
    return entry is None or not entry.alive or entry.start_ticks != int(match[3])


def places() -> list[Place]:
    """Where this process can make groups: each controller once, version 1 first; none inside of a group of ours."""
    own = _own_paths()
    if any(_OWNED.match(part) for path in own.values() for part in path.split("/")):
        return []
    found = [*_version_1(own), *_version_2(own)]
    unique: list[Place] = []
    taken: set[str] = set()
    for place in found:
        fresh = place.controllers - taken
        if (fresh or place.unified) and os.access(place.folder, os.W_OK):
            unique.append(place._replace(controllers=fresh))
            taken |= fresh
    return unique


def own_groups() -> Iterator[tuple[frozenset[str], list[Path]]]:
    """Folders of the group of this process and of those above it, in each hierarchy; no controllers: version 2."""
    own = _own_paths()
    for kind, root, mounted, options in _mounts():
        for controllers, path in own.items():
            names = frozenset(controllers.split(",")) if controllers else frozenset()
            if (kind == "cgroup2") == (not names) and names <= set(options.split(",")):
                folder = _inside(mounted, root, path)
                above = [each for each in folder.parents if each == mounted or mounted in each.parents]
                yield names, [folder, *above]


def _own_paths() -> dict[str, str]:
    """Path of the group of this process by the controllers of its hierarchy; version 2 has none here."""
    own = {}
    for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        own[controllers] = path
    return own


def _version_1(own: dict[str, str]) -> Iterator[Place]:
    for kind, root, mounted, options in _mounts():
        for controllers, path in own.items():
            names = frozenset(controllers.split(","))
            if kind == "cgroup" and names & _CONTROLLERS and names <= set(options.split(",")):
                yield Place(_inside(mounted, root, path), names & _CONTROLLERS, unified=False)


def _version_2(own: dict[str, str]) -> Iterator[Place]:
    for kind, root, mounted, _ in _mounts():
        if kind != "cgroup2" or "" not in own:
            continue
        folder = _inside(mounted, root, own[""])
        # A group that has processes cannot hold limited ones: so beside our own, below its parent.
        for each in (folder.parent, folder):
            if each == mounted or mounted in each.parents:
                enabled = frozenset(_words(each / "cgroup.subtree_control"))
                if "memory" in enabled or each == folder:
                    yield Place(each, enabled & frozenset(_WANTED_V2), unified=True)
                    return


def delegate(folder: Path | None = None, wanted: Iterable[str] = _WANTED_V2) -> bool:
    """In version 2, make limited groups possible below a group that was delegated to this process alone.

    A unit of systemd with ``Delegate=yes``, or a container with a writable hierarchy: its processes move into a group
    of their own, since none may be left beside limited ones. Nothing happens if other processes than this one and its
    descendants are in it.

    Args:
        folder: The group; default: that of this process.
        wanted: Controllers to switch on.

    Returns:
        Whether groups with these limits can be made now.
    """
    if folder is None:
        own = next((each for each in places() if each.unified), None)
        if own is None or "memory" in own.controllers:
            return own is not None
        folder = own.folder
    if not set(wanted) <= set(_words(folder / "cgroup.controllers")):
        return False
    members = [int(word) for word in _words(folder / "cgroup.procs")]
    if any(not _is_ours(pid) for pid in members):
        return False
    home = folder / _HOME
    try:
        home.mkdir(exist_ok=True)
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                write(home / "cgroup.procs", str(pid))
        write(folder / "cgroup.subtree_control", " ".join(f"+{each}" for each in wanted))
    except OSError:
        return False
    return True


def _is_ours(pid: int) -> bool:
    while pid > 1:
        if pid == os.getpid():
            return True
        entry = read_process(pid)
        pid = 0 if entry is None else entry.ppid
    return pid == os.getpid()


def _mounts() -> Iterator[tuple[str, str, Path, str]]:
    """Kind, root, place and options of each mount of a cgroup hierarchy."""
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        fields = line.split()
        kind, options = fields[fields.index("-") + 1], fields[-1]
        if kind in ("cgroup", "cgroup2"):
            yield kind, fields[3], Path(fields[4]), options


def _inside(mounted: Path, root: str, path: str) -> Path:
    return Path(os.path.normpath(mounted / os.path.relpath(path, root)))


def write(path: Path, text: str) -> None:
    """Write to a file of the kernel, in one call."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)


def _words(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").split()
    except OSError:
        return []
