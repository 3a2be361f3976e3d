"""What a warden knows of its child, and of the jobs that it runs now."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import time
from typing import IO

from pitchey_core.errors import LimitExceeded, PitcheyError
from pitchey_core.order import JobOrder
from pitchey_core.slots.meter import TreeMeter
from pitchey_core.slots.protocol import FrameReader

__all__ = ["Child", "Run"]


class Child:
    """The process that runs jobs; ``log`` is the pipe that it prints to."""

    def __init__(self, pid: int, channel: socket.socket, log: int) -> None:
        self.pid = pid
        self.channel = channel
        self.log = log
        self.frames = FrameReader()
        self.status: int | None = None
        self.jobs = 0

    def close(self) -> None:
        self.channel.close()
        os.close(self.log)


class Run:
    """What runs now: its orders, who still owes an answer, its deadlines and its log."""

    def __init__(self, orders: list[JobOrder], meter: TreeMeter) -> None:
        self.orders = orders
        self.waiting = {order.key for order in orders}
        self.meter = meter
        self.started = time.monotonic()
        self.stats_at = self.started
        self.deadlines: dict[str, tuple[float, PitcheyError]] = {}
        wall = max((order.limits.wall_seconds or 0 for order in orders), default=0)
        if wall and all(order.limits.wall_seconds for order in orders):
            error = LimitExceeded(
                f"the job ran longer than its {wall:g} s",
                limit="wall",
                remedy="raise the processor's wall_limit",
            )
            self.deadlines["wall"] = (self.started + wall, error)
        self._log: IO[bytes] | None = None
        self._logged = 0
        self._reaped_before = _children_cpu_us()

    def wall_us(self) -> int:
        return int((time.monotonic() - self.started) * 1e6)

    def reaped_cpu_us(self) -> int:
        """CPU time of everything that was waited for, less what was used before the start."""
        return max(0, _children_cpu_us() - self.meter.cpu_before_us)

    def orphans_cpu_us(self) -> int:
        """CPU time of what was waited for while the child lived: none of it is in the child's own figure."""
        return _children_cpu_us() - self._reaped_before

    def write_log(self, data: bytes) -> None:
        order = self.orders[0]
        room = order.limits.log_bytes - self._logged
        if room <= 0:
            return
        with contextlib.suppress(OSError):  # A full disk must not take the job down with its log.
            if self._log is None:
                order.log_path.parent.mkdir(parents=True, exist_ok=True)
                self._log = open(order.log_path, "ab", buffering=0)  # noqa: SIM115 - closed with the run
            self._log.write(data[:room])
            self._logged += len(data)
            if self._logged > order.limits.log_bytes:
                self._log.write(b"\n... the log ends here: it reached its limit\n")

    def log_path(self) -> str | None:
        return str(self.orders[0].log_path) if self._log is not None else None

    def close(self) -> None:
        if self._log is not None:
            self._log.close()


def _children_cpu_us() -> int:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((used.ru_utime + used.ru_stime) * 1e6)
