"""What a warden knows of its child, and of the jobs that it runs now."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import socket
import time
from collections import deque
from typing import IO, Any, Final

from pitchey_core.errors import Cancelled, LimitExceeded, PitcheyError
from pitchey_core.order import JobOrder
from pitchey_core.pricing import Usage
from pitchey_core.process.cgroups import Cgroup
from pitchey_core.slots.meter import TreeMeter
from pitchey_core.slots.protocol import FrameReader, encode

__all__ = ["Child", "Run", "write_logs"]

_UNMEASURED_SECONDS: Final = 0.05


class Child:
    """The process that runs jobs; ``log`` is the pipe that it prints to, ``end_of_log`` what it prints after each."""

    def __init__(self, pid: int, channel: socket.socket, log: int, end_of_log: bytes) -> None:
        self.pid = pid
        self.channel = channel
        self.log = log
        self.frames = FrameReader()
        self.status: int | None = None
        self.jobs = 0
        self.forked_at = time.monotonic()
        self._end_of_log = end_of_log
        self._unread = b""

    def tell(self, frame: dict[str, Any], *, wake: bool = False) -> None:
        """Give it a frame; ``wake``: it works, and the signal makes it look. If it does not read, it is killed soon."""
        with contextlib.suppress(OSError):
            self.channel.send(encode(frame))
            if wake:
                os.kill(self.pid, signal.SIGUSR1)

    def split_log(self, data: bytes) -> list[bytes]:
        """What was printed by the running job, by the one after it, and so on."""
        *ended, last = (self._unread + data).split(self._end_of_log)
        kept = next(
            (n for n in range(len(self._end_of_log) - 1, 0, -1) if last.endswith(self._end_of_log[:n])), 0
        )
        self._unread = last[len(last) - kept :]
        return [*ended, last[: len(last) - kept]]

    def ended(self, status: int) -> None:
        """It was waited for. What it has sent can be read, and then comes the end, whoever has inherited its side."""
        self.status = status
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        self.channel.close()
        os.close(self.log)


class Run:
    """One call of a processor: its orders, who still owes an answer, its deadlines and its log."""

    def __init__(self, orders: list[JobOrder]) -> None:
        self.orders = orders
        self.waiting = {order.key for order in orders}
        self.meter: TreeMeter | None = None
        self.started = self.stats_at = 0.0
        self.grace_seconds: float | None = None
        self._cancel_at = self._wall_at = math.inf
        self._frozen_at: float | None = None
        self._log: IO[bytes] | None = None
        self._logged = 0
        self._reaped_before = 0

    def begin(self) -> None:
        """It is the turn of this one."""
        self.started = self.stats_at = time.monotonic()
        self._reaped_before = _children_cpu_us()
        if wall := self._wall_limit():
            self._wall_at = self.started + wall
        if self.grace_seconds is not None:
            self.cancel(self.grace_seconds)

    def measure(self, now: float, group: Cgroup | None) -> TreeMeter | None:
        """The meter of a run that takes long enough for one to matter."""
        if self.meter is None and now - self.started >= _UNMEASURED_SECONDS:
            self.meter = TreeMeter(os.getpid(), group)
        return self.meter

    def cancel(self, grace_seconds: float) -> None:
        """End it that long after its turn has come, if it has not ended by itself."""
        self.grace_seconds = grace_seconds
        if self.started:
            self._cancel_at = min(self._cancel_at, time.monotonic() + grace_seconds)

    def freeze(self) -> None:
        """It has been stopped: its time does not run until :meth:`thaw`."""
        self._frozen_at = time.monotonic()

    def thaw(self) -> None:
        """It goes on, with its deadlines as far away as they were."""
        if self._frozen_at is not None:
            frozen = time.monotonic() - self._frozen_at
            self._wall_at += frozen
            self._frozen_at = None

    @property
    def memory_limit(self) -> int | None:
        """Bytes; the smallest of a batch."""
        return min((o.limits.memory_bytes for o in self.orders if o.limits.memory_bytes), default=None)

    def next_look(self, now: float) -> float:
        """Seconds until there is something to look after."""
        if self._frozen_at is not None:
            return max(0.0, self._cancel_at - now)
        interval = _UNMEASURED_SECONDS if self.meter is None else self.meter.interval
        return max(0.0, min(interval, self._wall_at - now, self._cancel_at - now))

    def overdue(self, now: float) -> PitcheyError | None:
        """Why it has to end now, if it has to."""
        if now >= self._cancel_at:
            return Cancelled("the job was cancelled")
        if now >= self._wall_at and self._frozen_at is None:
            return LimitExceeded(
                f"the job ran longer than its {self._wall_limit():g} s",
                limit="wall",
                remedy="raise the processor's wall_limit",
            )
        return None

    def _wall_limit(self) -> float:
        limits = [order.limits.wall_seconds or 0.0 for order in self.orders]
        return max(limits) if all(limits) else 0.0

    def usage(self, peak_bytes: int = 0) -> Usage:
        """Of a run whose process is gone.

        Args:
            peak_bytes: What its group had at most, by the count of the kernel.
        """
        sampled = self.meter.usage() if self.meter is not None else Usage()
        before = self.meter.cpu_before_us if self.meter is not None else self._reaped_before
        reaped = max(0, _children_cpu_us() - before)
        if peak_bytes > sampled.peak_memory_bytes:
            sampled = sampled.with_(peak_memory_bytes=peak_bytes, memory_method="cgroup")
        return sampled.with_(
            wall_us=int((time.monotonic() - self.started) * 1e6), cpu_us=max(sampled.cpu_us, reaped)
        )

    def orphans_cpu_us(self) -> int:
        """CPU time of what was waited for while the child lived: none of it is in the child's own figure."""
        return _children_cpu_us() - self._reaped_before

    def write_log(self, data: bytes) -> None:
        order = self.orders[0]
        room = order.limits.log_bytes - self._logged
        if room <= 0 or not data:
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


def write_logs(child: Child, runs: deque[Run]) -> bool:
    """Copy what a child has printed to the logs of its runs, which leave ``runs`` as their output ends.

    Returns:
        False once it cannot print any more.
    """
    while True:
        try:
            data = os.read(child.log, 1 << 16)
        except BlockingIOError:
            return True
        if not data:
            return False
        first, *later = child.split_log(data)
        if runs:
            runs[0].write_log(first)
        for each in later:
            if runs:
                runs.popleft()
            if runs:
                runs[0].write_log(each)


def _children_cpu_us() -> int:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((used.ru_utime + used.ru_stime) * 1e6)
