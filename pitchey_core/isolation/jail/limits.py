"""Resource limits of each process in a sandbox. See setrlimit(2)."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from typing import Final

__all__ = ["set_limits"]

_OPEN_FILES: Final = 256
_STACK_BYTES: Final = 8 * 1024**2
_MOST_STACK_BYTES: Final = 64 * 1024**2
# By number, as the standard library does not name them.
_NICE, _RTPRIO, _MSGQUEUE, _SIGPENDING = 13, 14, 12, 11
_PENDING_SIGNALS: Final = 256
"""And timers: those of a sandbox count for its owner, too, whose other programs need some."""


def set_limits(wanted: Mapping[str, int]) -> str:
    """Set the limits, soft and hard, as far down as they are not lower already.

    Args:
        wanted: ``file_bytes``, and where wanted ``cpu_seconds``, ``address_space_bytes``, ``processes``.
    """
    limits = {
        # One and not zero: to the kernel that means none also where a program on the host takes them from a pipe.
        resource.RLIMIT_CORE: (1, 1),
        resource.RLIMIT_MEMLOCK: (0, 0),
        _NICE: (0, 0),
        _RTPRIO: (0, 0),
        _MSGQUEUE: (0, 0),
        _SIGPENDING: (_PENDING_SIGNALS, _PENDING_SIGNALS),
        resource.RLIMIT_NOFILE: (_OPEN_FILES, _OPEN_FILES),
        resource.RLIMIT_STACK: (_STACK_BYTES, _MOST_STACK_BYTES),
        resource.RLIMIT_FSIZE: (wanted["file_bytes"],) * 2,
    }
    if "cpu_seconds" in wanted:
        # The sum over all processes ends it; this one is for a supervisor that is late.
        limits[resource.RLIMIT_CPU] = (wanted["cpu_seconds"], wanted["cpu_seconds"] + 1)
    if "address_space_bytes" in wanted:
        limits[resource.RLIMIT_AS] = (wanted["address_space_bytes"],) * 2
    if "processes" in wanted:
        limits[resource.RLIMIT_NPROC] = (wanted["processes"],) * 2
    for which, (soft, hard) in limits.items():
        _, ceiling = resource.getrlimit(which)
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(which, (soft, hard))
    return "files, open files, stack, no core" + "".join(
        f", {words}"
        for name, words in (("cpu_seconds", "CPU"), ("address_space_bytes", "memory"), ("processes", "tasks"))
        if name in wanted
    )
