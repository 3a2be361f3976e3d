"""What of this host jobs may use: CPUs, memory and accelerators, within the limits of our own container."""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pitchey_core.process.cgroup_places import own_groups
from pitchey_core.resources import GIB, InstanceType

if TYPE_CHECKING:
    from pitchey_core.settings import HostSettings

__all__ = ["Capacity", "available_memory", "gpu_devices", "host_capacity", "host_memory", "host_vcpus"]

_UNLIMITED: Final = 1 << 60
_RESERVED_SHARE: Final = 20


@dataclass(frozen=True, slots=True)
class Capacity:
    """An amount of CPU, memory and accelerators: what a host has, or what a job wants.

    Attributes:
        memory_bytes: For jobs, all together.
        total_bytes: Of the host or its container, the reserve included.
    """

    vcpus: float
    memory_bytes: int
    gpus: int = 0
    total_bytes: int = 0

    def takes(self, instance: InstanceType) -> bool:
        """Whether a job of that instance type can ever run. Too few CPUs only slow it down."""
        return (
            instance.memory_bytes <= max(self.memory_bytes, self.total_bytes) and instance.gpus <= self.gpus
        )


def host_capacity(settings: HostSettings) -> Capacity:
    """What jobs may use here, by the settings or by what the kernel says."""
    total = host_memory()
    if settings.memory_bytes is not None:
        # Whoever says how much it is means no more than that.
        memory = total = int(settings.memory_bytes)
    else:
        reserve = settings.memory_reserve
        memory = total - (min(total // _RESERVED_SHARE, GIB) if reserve is None else min(int(reserve), total))
    return Capacity(settings.vcpus or host_vcpus(), memory, len(gpu_devices(settings)), total)


def gpu_devices(settings: HostSettings) -> tuple[str, ...]:
    """The accelerators that jobs may use, by the names that ``CUDA_VISIBLE_DEVICES`` knows them by: numbers, or UUIDs
    where ours names them so; none that are hidden from us. See the CUDA C++ Programming Guide on that variable, which
    HIP reads as well."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = [each for each in Path("/dev").glob("nvidia[0-9]*") if each.name.removeprefix("nvidia").isdigit()]
    count = len(found) if settings.gpus is None else settings.gpus
    if visible is None:
        return tuple(map(str, range(count)))
    names = (each.strip() for each in visible.split(","))
    # What comes behind the first that is none is not visible either.
    return tuple(itertools.takewhile(lambda each: each not in ("", "-1"), names))[:count]


def host_vcpus() -> float:
    """CPUs that this process may run on, within the quota of its cgroup and of those above it."""
    most = float(len(os.sched_getaffinity(0)))
    for controllers, folders in own_groups():
        for folder in folders:
            if "cpu" in controllers:
                quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
            elif not controllers:
                quota, period = _quota_v2(folder / "cpu.max")
            else:
                break
            if quota and period and quota > 0:
                most = min(most, quota / period)
    return most


def host_memory() -> int:
    """Bytes of the host, within the limits of our cgroup and of those above it."""
    return min([_meminfo("MemTotal"), *(limit for limit, _ in _memory_groups())])


def available_memory() -> int:
    """Bytes that could be taken now without swapping, within the same limits."""
    free = [limit - used for limit, used in _memory_groups()]
    return max(0, min([_meminfo("MemAvailable"), *free]))


def _memory_groups() -> list[tuple[int, int]]:
    """Limit of each group that has one, and what of it cannot be taken back."""
    found = []
    for controllers, folders in own_groups():
        for folder in folders:
            if "memory" in controllers:
                limit, used = _number(folder / "memory.limit_in_bytes"), "memory.usage_in_bytes"
                cache = "total_inactive_file"
            elif not controllers:
                limit, used, cache = _number(folder / "memory.max"), "memory.current", "inactive_file"
            else:
                break
            if limit is not None and limit < _UNLIMITED:
                found.append((limit, (_number(folder / used) or 0) - _field(folder / "memory.stat", cache)))
    return found


def _quota_v2(path: Path) -> tuple[int | None, int | None]:
    try:
        quota, period = path.read_text("ascii").split()
    except (OSError, ValueError):
        return None, None
    return (None if quota == "max" else int(quota)), int(period)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):  # "max" is no number
        return None


def _field(path: Path, name: str) -> int:
    try:
        lines = path.read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)


def _meminfo(name: str) -> int:
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return math.floor(_UNLIMITED)
