"""Control groups of the kernel, version 1 or 2, where this process may make some.

::

    group = Cgroup.make(owned_name("slot"))      # None: no writable hierarchy, supervise instead
    group.limit(memory_bytes=2 * GIB, vcpus=1.0)
    group.enter()                                # in the child that shall be confined
    group.oom_kills(), group.memory_bytes(), group.freeze(), …
    group.kill()
    group.remove()

A group carries the PID and the start of its owner in its name, so that whoever comes later knows whether it is a
leftover (:func:`remove_leftovers`). Interfaces: ``Documentation/admin-guide/cgroup-v1`` and ``cgroup-v2.rst`` of Linux.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from pitchey_core.process.cgroup_places import Place, owner_is_dead, places, write
from pitchey_core.process.tree import read_process

__all__ = ["Cgroup", "remove_leftovers"]

_SETTLE_SECONDS: Final = 2.0
_LEFTOVER_SECONDS: Final = 0.5


class Cgroup:
    """A group of one name, in every hierarchy of use.

    Attributes:
        version: ``cgroup-v1`` or ``cgroup-v2``: which one limits the memory.
    """

    def __init__(self, name: str, among: Iterable[Place]) -> None:
        self.name = name
        self._folders: dict[str, Path] = {}
        self._unified: Path | None = None
        self.version = "cgroup-v1"
        for place in among:
            folder = place.folder / name
            if place.unified:
                self._unified = folder
            self._folders.update((each, folder) for each in place.controllers)
            if place.unified and "memory" in place.controllers:
                self.version = "cgroup-v2"
        self._limit: int | None = None

    @classmethod
    def make(cls, name: str) -> Cgroup | None:
        """A new group; ``None`` where none can be made that limits memory, or inside of one of ours.

        What runs in a group of ours and starts slots of its own stays under the limits of that group.
        """
        where = places()
        if not any("memory" in place.controllers for place in where):
            return None
        group = cls(name, where)
        try:
            for folder in group._all():
                folder.mkdir()
        except OSError:
            group.remove()
            return None
        return group

    @classmethod
    def existing(cls, name: str) -> Cgroup | None:
        """The group of that name, if there is still something of it."""
        group = cls(name, places())
        return group if any(folder.exists() for folder in group._all()) else None

    # -- limits -------------------------------------------------------------------------------------------------

    def limit(
        self, *, memory_bytes: int | None = None, vcpus: float | None = None, processes: int | None = None
    ) -> None:
        """Set limits; a limit of memory is one of memory and swap together. ``vcpus`` is a share, not a ceiling.

        A share, because idle CPU time is of no use to anybody else.

        Raises:
            OSError: The group holds more memory than that and cannot give it up.
        """
        if memory_bytes is not None and memory_bytes != self._limit:
            self._limit_memory(memory_bytes)
            self._limit = memory_bytes
        if processes is not None and "pids" in self._folders:
            write(self._folders["pids"] / "pids.max", str(processes))
        if vcpus is not None and (folder := self._folders.get("cpu")):
            if folder == self._unified:
                write(folder / "cpu.weight", str(max(1, min(10_000, round(vcpus * 100)))))
            else:
                write(folder / "cpu.shares", str(max(2, round(vcpus * 1024))))

    def _limit_memory(self, limit: int) -> None:
        folder = self._folders["memory"]
        if self.version == "cgroup-v2":
            _write_if_there(folder / "memory.swap.max", "0")
            _write_if_there(folder / "memory.oom.group", "1")
            write(folder / "memory.max", str(limit))
            return
        _write_if_there(folder / "memory.swappiness", "0")
        names = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
        if self._limit is not None and limit > self._limit:
            # The sum may never be below the part.
            names.reverse()
        for name in names:
            if "memsw" in name:
                # Only where the kernel accounts for swap.
                _write_if_there(folder / name, str(limit))
            else:
                write(folder / name, str(limit))

    # -- members ------------------------------------------------------------------------------------------------

    def enter(self, pid: int = 0) -> None:
        """Put a process in, by default the calling one, and so all that it will start.

        Raises:
            OSError: The group is gone, or the process is.
        """
        for folder in self._all():
            write(folder / "cgroup.procs", str(pid))

    def pids(self) -> list[int]:
        """Who is in it, zombies left out."""
        found: set[int] = set()
        for folder in self._all():
            with contextlib.suppress(OSError):
                found.update(map(int, (folder / "cgroup.procs").read_bytes().split()))
        return sorted(pid for pid in found if (entry := read_process(pid)) is not None and entry.alive)

    # -- what happened ------------------------------------------------------------------------------------------

    def oom_kills(self) -> int:
        """How many of its processes the kernel has killed for want of memory, its own or the host's."""
        name = "memory.events" if self.version == "cgroup-v2" else "memory.oom_control"
        return _field(self._folders["memory"] / name, ("oom_kill",))

    def memory_bytes(self) -> int:
        """Anonymous and shared memory now: what cannot be taken back. The cache of files is not in it."""
        names = ("anon", "shmem") if self.version == "cgroup-v2" else ("total_rss", "total_shmem")
        return _field(self._folders["memory"] / "memory.stat", names)

    def peak_bytes(self) -> int:
        """Highest charge since the group was made, with the cache of files; never more than its limit."""
        name = "memory.peak" if self.version == "cgroup-v2" else "memory.max_usage_in_bytes"
        return _number(self._folders["memory"] / name)

    def cpu_us(self) -> int:
        """User and system time of all that ever ran in it, in microseconds."""
        if self._unified is not None:
            return _field(self._unified / "cpu.stat", ("usage_usec",))
        folder = self._folders.get("cpuacct")
        return 0 if folder is None else _number(folder / "cpuacct.usage") // 1000

    # -- the whole of it ----------------------------------------------------------------------------------------

    def freeze(self) -> bool:
        """Stop all of it; false if the kernel has no freezer for it, or does not come to an end with it."""
        return self._set_frozen(True)

    def thaw(self) -> bool:
        """Let it go on."""
        return self._set_frozen(False)

    def _set_frozen(self, frozen: bool) -> bool:
        if self._unified is not None:
            # Preferred, also beside version 1: what it has frozen can be killed.
            if not _write_if_there(self._unified / "cgroup.freeze", "1" if frozen else "0"):
                return False
            events = self._unified / "cgroup.events"
            return _until(lambda: _field(events, ("frozen",)) == frozen)
        if (folder := self._folders.get("freezer")) is None:
            return False
        state = "FROZEN" if frozen else "THAWED"
        path = folder / "freezer.state"
        return _write_if_there(path, state) and _until(lambda: path.read_text("ascii").strip() == state)

    def kill(self) -> bool:
        """Kill all that is in it; false if something does not die (it waits in the kernel)."""
        return _until(self.kill_now)

    def kill_now(self) -> bool:
        """Kill what is there now; true if there was nothing."""
        if self._unified is not None:
            _write_if_there(self._unified / "cgroup.kill", "1")
        left = self.pids()
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if left:
            # Version 1 delivers no signal, not even this one, to what is frozen.
            self.thaw()
        return not left

    def remove(self) -> bool:
        """Remove the group; false while something is in it."""
        return _until(self.remove_now)

    def remove_now(self) -> bool:
        """The same without a wait."""
        gone = True
        for folder in self._all_with_inner():
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                # Killed, and not yet through the kernel's door.
                gone = False
        return gone

    def _all(self) -> list[Path]:
        found = dict.fromkeys(self._folders.values())
        if self._unified is not None:
            found[self._unified] = None
        return list(found)

    def _all_with_inner(self) -> list[Path]:
        """Those too that a sandbox has made inside of it, the innermost first."""
        return [Path(inner) for folder in self._all() for inner, _, _ in os.walk(folder, topdown=False)]


def remove_leftovers() -> list[str]:
    """Kill and remove the groups whose owners are dead; returns their names.

    All get the same short time together: one that cannot be removed now must not keep a rescue waiting.
    """
    left = {name: group for name in _leftovers() if (group := Cgroup.existing(name))}
    removed: list[str] = []

    def gone() -> bool:
        for name, group in list(left.items()):
            if group.kill_now() and group.remove_now():
                removed.append(name)
                del left[name]
        return not left

    _until(gone, _LEFTOVER_SECONDS)
    return sorted(removed)


def _leftovers() -> list[str]:
    found: set[str] = set()
    for place in places():
        with contextlib.suppress(OSError):
            found.update(each.name for each in place.folder.iterdir() if owner_is_dead(each.name))
    return sorted(found)


# -- files --------------------------------------------------------------------------------------------------------


def _write_if_there(path: Path, text: str) -> bool:
    try:
        write(path, text)
    except OSError:
        return False
    return True


def _number(path: Path) -> int:
    try:
        return int(path.read_bytes())
    except OSError:
        return 0


def _field(path: Path, names: tuple[str, ...]) -> int:
    """Sum of the named lines of a file of ``name value`` lines."""
    total = 0
    with contextlib.suppress(OSError):
        for line in path.read_text("ascii").splitlines():
            name, _, value = line.partition(" ")
            if name in names:
                total += int(value)
    return total


def _until(so: Callable[[], bool], seconds: float = _SETTLE_SECONDS) -> bool:
    """Ask until it is so, for so many seconds at most."""
    end = time.monotonic() + seconds
    pause = 0.0005
    while not so():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return True
