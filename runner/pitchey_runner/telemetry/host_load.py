"""How busy this host is, from the kernel's own figures."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["HostLoad", "HostMeter"]

_STAT: Final = Path("/proc/stat")
_MEMORY: Final = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class HostLoad:
    """A moment of this host.

    Attributes:
        cpu_percent: Of all CPUs together, since the last look.
        disk_total, disk_free: Bytes of the file system with the data folder.
    """

    cpu_percent: float
    cpus: int
    memory_total: int
    memory_available: int
    disk_total: int
    disk_free: int

    @property
    def memory_percent(self) -> float:
        return 100.0 * (1 - self.memory_available / self.memory_total) if self.memory_total else 0.0

    @property
    def disk_percent(self) -> float:
        return 100.0 * (1 - self.disk_free / self.disk_total) if self.disk_total else 0.0


class HostMeter:
    """Looks at the host; each look says what the CPUs did since the one before.

    Args:
        folder: Whose disk is looked at; it need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._busy, self._all = _cpu_ticks()
        self._percent = 0.0

    def look(self) -> HostLoad:
        """The host now."""
        busy, total = _cpu_ticks()
        # Of a moment too short for the kernel's clock nothing can be said.
        if total > self._all:
            self._percent = 100.0 * (busy - self._busy) / (total - self._all)
            self._busy, self._all = busy, total
        memory = _memory()
        disk = shutil.disk_usage(_existing(self._folder))
        return HostLoad(
            cpu_percent=self._percent,
            cpus=os.cpu_count() or 1,
            memory_total=memory.get("MemTotal", 0),
            memory_available=memory.get("MemAvailable", 0),
            disk_total=disk.total,
            disk_free=disk.free,
        )


def _cpu_ticks() -> tuple[int, int]:
    """Busy and all clock ticks of all CPUs since the host started (see proc(5), ``/proc/stat``)."""
    fields = [int(each) for each in _STAT.read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return sum(fields) - idle, sum(fields)


def _memory() -> dict[str, int]:
    """Bytes by name (see proc(5), ``/proc/meminfo``)."""
    found = {}
    for line in _MEMORY.read_text().splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB":
            found[name] = int(words[0]) * 1024
    return found


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())
