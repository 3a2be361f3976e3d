"""Control groups that sandboxes run in: version 1 or 2, where this process may make some.

One folder per sandbox and hierarchy, with one group for each run in it. In version 1 a group is used again, because
making one in each hierarchy takes milliseconds; in version 2 its counters cannot be reset, so each run gets a new one.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pitchey_core.isolation.policy import SandboxPolicy
from pitchey_core.process.cgroup_places import own_groups, owned_name, owner_is_dead

__all__ = ["INIT", "Group", "Groups", "is_gone", "remove_left_groups", "while_it_is_there"]

_KIND: Final = "sandbox"
_PERIOD_US: Final = 100_000
INIT: Final = 1
"""The first process of a sandbox counts as a task, too."""
_CONTROLLERS: Final = ("memory", "pids", "cpu", "cpuacct")


@dataclass(frozen=True, slots=True)
class _Hierarchy:
    """One mounted tree of cgroups, and the folder in it that is ours to make groups in."""

    controllers: frozenset[str]
    folder: Path
    unified: bool


class Groups:
    """The groups of one sandbox; none where no hierarchy is writable.

    Args:
        allowed: False for none at all.

    Attributes:
        enforced: Of ``memory``, ``processes``, ``cpu`` and ``vcpus`` those that groups enforce, and by what.
        why_not: Why there are none.
    """

    def __init__(self, *, allowed: bool = True) -> None:
        self._made: list[_Hierarchy] = []
        self._free: list[Group] = []
        self._count = 0
        self.enforced: dict[str, str] = {}
        self.why_not = "no cgroup hierarchy is mounted"
        if not allowed:
            self.why_not = "not wanted"
            return
        for hierarchy in _hierarchies():
            _sweep(hierarchy.folder)
            try:
                self._make(hierarchy)
            except OSError as error:
                self.why_not = f"{hierarchy.folder}: {error.strerror}"
        if "memory" not in self.enforced:
            self.close()

    @property
    def folders(self) -> list[str]:
        """What to remove when all is over."""
        return [str(each.folder) for each in self._made]

    def take(self) -> Group | None:
        """A group that nobody is in; ``None`` where there are none."""
        if not self._made:
            return None
        for place, group in enumerate(self._free):
            if group.is_empty():
                return self._free.pop(place)
        self._count += 1
        group = Group({each: each.folder / str(self._count) for each in self._made})
        group.make()
        return group

    def give_back(self, group: Group) -> None:
        """After everybody in it is dead."""
        if any(each.unified for each in self._made):
            group.remove()
        else:
            group.relax()
            self._free.append(group)

    def close(self) -> None:
        for group in self._free:
            group.remove()
        self._free = []
        for each in self._made:
            _remove(each.folder)
        self._made = []
        self.enforced = {}

    def _make(self, hierarchy: _Hierarchy) -> None:
        folder = hierarchy.folder / f"{owned_name(_KIND)}-{os.urandom(3).hex()}"
        folder.mkdir()
        made = _Hierarchy(hierarchy.controllers, folder, hierarchy.unified)
        self._made.append(made)
        controllers = set(hierarchy.controllers)
        if hierarchy.unified:
            controllers &= {"memory", "pids", "cpu"}
            words = " ".join(f"+{each}" for each in sorted(controllers))
            (folder / "cgroup.subtree_control").write_text(words)
            controllers.add("cpuacct")  # cpu.stat is in every group
        version = "cgroup v2" if hierarchy.unified else "cgroup v1"
        names = {"memory": "memory", "pids": "processes", "cpu": "vcpus", "cpuacct": "cpu"}
        self.enforced.update((names[each], version) for each in controllers)


class Group:
    """One group in each hierarchy: what a single run joins."""

    def __init__(self, folders: dict[_Hierarchy, Path]) -> None:
        self._folders = folders
        self._unified = any(each.unified for each in folders)
        self._by_controller = {
            name: path for hierarchy, path in folders.items() for name in hierarchy.controllers
        }
        self._set: dict[str, str] = {}
        self._open: dict[tuple[str, int], int] = {}
        self._oom_before = 0

    def make(self) -> None:
        for path in self._folders.values():
            path.mkdir()

    def remove(self) -> None:
        for each in self._open.values():
            os.close(each)
        self._open = {}
        for path in self._folders.values():
            _remove(path)

    def is_empty(self) -> bool:
        """Whether the kernel counts nobody in it any more, which it may do for a moment after they have died."""
        return "pids" not in self._by_controller or int(self._read("pids", "pids.current")) == 0

    @contextlib.contextmanager
    def join_files(self) -> Iterator[list[int]]:
        """Descriptors for the first process to write ``0`` to, open within the context.

        Raises:
            OSError: Somebody has removed the group.
        """
        with contextlib.ExitStack() as opened:
            joins = []
            for path in self._folders.values():
                joins.append(os.open(path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC))
                opened.callback(os.close, joins[-1])
            yield joins

    def arm(self, policy: SandboxPolicy) -> None:
        """Set the limits and the counters, before the program starts.

        Raises:
            OSError: A limit is below what the sandbox itself needs.
        """
        if self._unified:
            self._write("memory", "memory.swap.max", "0", optional=True)
            self._write("memory", "memory.oom.group", "1", optional=True)
            self._write("memory", "memory.max", str(policy.memory_bytes))
            quota = "max" if policy.vcpus is None else str(int(policy.vcpus * _PERIOD_US))
            self._write("cpu", "cpu.max", f"{quota} {_PERIOD_US}", optional=policy.vcpus is None)
        else:
            self._write("memory", "memory.swappiness", "0", optional=True)
            self._write("memory", "memory.limit_in_bytes", str(policy.memory_bytes))
            self._write("memory", "memory.max_usage_in_bytes", "0", again=True)
            self._write("cpuacct", "cpuacct.usage", "0", again=True)
            quota = "-1" if policy.vcpus is None else str(int(policy.vcpus * _PERIOD_US))
            self._write("cpu", "cpu.cfs_quota_us", quota, optional=policy.vcpus is None)
        self._write("pids", "pids.max", str(policy.processes + INIT))
        self._oom_before = self._oom_count()

    def relax(self) -> None:
        """Lift the limits of version 1: the next sandbox is built inside, before its own are known."""
        self._write("memory", "memory.limit_in_bytes", "-1", optional=True)
        self._write("cpu", "cpu.cfs_quota_us", "-1", optional=True)

    def oom_kills(self) -> int:
        """How often the kernel has killed in this group since :meth:`arm`, for want of memory."""
        return self._oom_count() - self._oom_before

    def cpu_us(self) -> int | None:
        """CPU time since :meth:`arm`, microseconds; ``None`` where nobody counts."""
        if self._unified:
            return self._field("memory", "cpu.stat", b"usage_usec")
        if "cpuacct" not in self._by_controller:
            return None
        return int(self._read("cpuacct", "cpuacct.usage")) // 1000

    def peak_bytes(self) -> int:
        """Most memory since :meth:`arm`, with the pages of files that were read and could be given back."""
        try:
            return int(self._read("memory", "memory.peak" if self._unified else "memory.max_usage_in_bytes"))
        except FileNotFoundError:  # memory.peak came with Linux 5.19
            return int(self._read("memory", "memory.current"))

    def _oom_count(self) -> int:
        return self._field("memory", "memory.events" if self._unified else "memory.oom_control", b"oom_kill")

    def _write(
        self, controller: str, name: str, value: str, *, optional: bool = False, again: bool = False
    ) -> None:
        if controller not in self._by_controller or (not again and self._set.get(name) == value):
            return
        try:
            os.pwrite(self._file(controller, name, os.O_WRONLY), value.encode("ascii"), 0)
        except OSError:
            if not optional:
                raise
        self._set[name] = value

    def _read(self, controller: str, name: str) -> bytes:
        return os.pread(self._file(controller, name, os.O_RDONLY), 4096, 0)

    def _field(self, controller: str, file: str, name: bytes) -> int:
        for line in self._read(controller, file).splitlines():
            word, _, number = line.partition(b" ")
            if word == name:
                return int(number)
        return 0

    def _file(self, controller: str, name: str, flags: int) -> int:
        """Opened once: a group is asked hundreds of times a second, and in version 1 serves many runs."""
        if (name, flags) not in self._open:
            self._open[name, flags] = os.open(self._by_controller[controller] / name, flags | os.O_CLOEXEC)
        return self._open[name, flags]


def is_gone(error: OSError) -> bool:
    """Whether it says that somebody has removed the group."""
    return error.errno in {errno.ENOENT, errno.ENODEV}


@contextlib.contextmanager
def while_it_is_there() -> Iterator[None]:
    """What is done within is left where the group is gone by then."""
    try:
        yield
    except OSError as error:
        if not is_gone(error):
            raise


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for each in folder.iterdir():
            if each.is_dir():
                each.rmdir()
        folder.rmdir()


def remove_left_groups() -> None:
    """Remove the empty groups of sandboxes whose owner and launcher were killed together."""
    with contextlib.suppress(OSError):
        for hierarchy in _hierarchies():
            _sweep(hierarchy.folder)


def _sweep(folder: Path) -> None:
    """Remove what sandboxes left whose owner was killed together with its launcher."""
    with contextlib.suppress(OSError):
        for each in folder.iterdir():
            if f"-{_KIND}-" in each.name and owner_is_dead(each.name):
                _remove(each)


def _hierarchies() -> list[_Hierarchy]:
    """Those that have controllers of use here, each with the folder to try, version 1 first.

    Unlike those of slots, also inside of a group of ours: what a sandbox uses counts for the slot around it.
    """
    found = []
    for controllers, folders in own_groups():
        if not controllers:
            found += _unified(folders)
        elif useful := controllers & frozenset(_CONTROLLERS):
            found.append(_Hierarchy(useful, folders[0], unified=False))
    taken: set[str] = set()
    unique = []
    for each in sorted(found, key=lambda each: each.unified):
        if not each.controllers & taken:
            unique.append(each)
            taken |= each.controllers
    return unique


def _unified(folders: Sequence[Path]) -> list[_Hierarchy]:
    """In version 2 a group with processes cannot hold limited ones, so beside our own, below its parent."""
    for folder in (*folders[1:2], folders[0]):
        with contextlib.suppress(OSError):
            enabled = (folder / "cgroup.subtree_control").read_text("ascii").split()
            if {"memory", "pids"} <= set(enabled):
                names = frozenset(enabled) & {"memory", "pids", "cpu"}
                return [_Hierarchy(names, folder, unified=True)]
    return []
