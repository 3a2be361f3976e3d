"""Attends to a running sandbox: moves its bytes, minds the clock, and ends it."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from pitchey_core.isolation.jail.channel import receive
from pitchey_core.isolation.policy import SandboxPolicy
from pitchey_core.isolation.report import Captured, Verdict
from pitchey_core.isolation.watch import Watch
from pitchey_core.process.standstill import Standstill

__all__ = ["SLOWEST_SAMPLE", "Attendance", "Stream"]

_CHUNK: Final = 64 * 1024
_FIRST_SAMPLE: Final = 0.005
SLOWEST_SAMPLE: Final = 0.02
_CANCEL_POLL: Final = 0.1
_DRAIN_SECONDS: Final = 0.2
_DEATH_SECONDS: Final = 5.0
_IN: Final = select.POLLIN | select.POLLHUP | select.POLLERR


class Stream:
    """The reading end of a program's output: keeps its beginning, counts the rest."""

    def __init__(self, descriptor: int, most: int) -> None:
        self.descriptor = descriptor
        self._most = most
        self._kept = bytearray()
        self.total = 0

    def read(self, buffer: bytearray) -> int:
        """Read once; 0 at the end, -1 if there is nothing now."""
        try:
            count = os.readv(self.descriptor, [buffer])
        except BlockingIOError:
            return -1
        if count and len(self._kept) < self._most:
            self._kept += buffer[: min(count, self._most - len(self._kept))]
        self.total += count
        return count

    @property
    def too_long(self) -> bool:
        return self.total > self._most

    def captured(self) -> Captured:
        return Captured(bytes(self._kept), self.total, self.too_long)


class Attendance:
    """One run, from the moment when the program may start.

    Args:
        kill: Kills all that is in the sandbox.

    Attributes:
        reason: Why we ended it; ``None`` if it ended by itself.
        cancelled: Whether somebody asked for that.
        messages: What its processes told, by kind.
    """

    def __init__(
        self,
        channel: socket.socket,
        handle: int,
        policy: SandboxPolicy,
        watch: Watch,
        kill: Callable[[], None],
        streams: tuple[Stream, Stream],
        stdin: tuple[int, bytes] | None,
    ) -> None:
        self._channel = channel
        self._handle = handle
        self._policy = policy
        self._watch = watch
        self._kill = kill
        self._buffer = bytearray(_CHUNK)
        self._poll = select.poll()
        self._all = streams
        self._streams = {each.descriptor: each for each in streams}
        self._deaf = False
        self._input = memoryview(stdin[1] if stdin else b"")
        self._input_to = stdin[0] if stdin else -1
        self.reason: Verdict | None = None
        self.cancelled = False
        self.messages: dict[str, dict[str, Any]] = {}
        self.started = time.monotonic()
        self.ended = self.started
        for descriptor in (channel.fileno(), handle, *self._streams):
            self._poll.register(descriptor, _IN)
        channel.setblocking(False)
        if stdin:
            os.set_blocking(self._input_to, False)
            self._poll.register(self._input_to, select.POLLOUT | select.POLLERR)
        for descriptor in self._streams:
            os.set_blocking(descriptor, False)

    def wait(self, cancelled: Callable[[], bool] | None) -> None:
        """Return when the program has ended, or all of it has been killed."""
        try:
            self._wait(cancelled)
        finally:
            self._close_input()
        self.ended = time.monotonic()

    def _wait(self, cancelled: Callable[[], bool] | None) -> None:
        wall_at = self.started + self._policy.wall_seconds
        interval = _FIRST_SAMPLE
        sample_at = self.started + interval
        ask_at = self.started + _CANCEL_POLL if cancelled is not None else float("inf")
        give_up_at = float("inf")
        standstill = Standstill()
        while True:
            now = time.monotonic()
            due = min(wall_at, sample_at, ask_at, give_up_at) - now
            over = self._turn(due)
            # A paused job's program stood still as we did: its time did not run.
            lost = standstill.lasted(due)
            self.started += lost
            wall_at += lost
            if over or now >= give_up_at:
                break
            now = time.monotonic()
            if self.reason is not None or self.cancelled:
                if give_up_at == float("inf"):
                    # It dies at once, unless it hangs in the kernel.
                    self._kill()
                    give_up_at = now + _DEATH_SECONDS
                    wall_at = sample_at = ask_at = float("inf")
                continue
            if now >= sample_at:
                interval = min(interval * 1.5, SLOWEST_SAMPLE)
                sample_at = now + interval
                self.reason = self._watch.sample()
            if now >= ask_at and cancelled is not None:
                ask_at = now + _CANCEL_POLL
                self.cancelled = cancelled()
            if now >= wall_at and self.reason is None:
                self.reason = Verdict.TIMEOUT_WALL

    def drain(self) -> None:
        """Read what is left in the pipes, now that nobody writes; for a short time, should somebody still."""
        end = time.monotonic() + _DRAIN_SECONDS
        for stream in list(self._streams.values()):
            while (count := stream.read(self._buffer)) != 0 and time.monotonic() < end:
                if count < 0:
                    break
        if self.reason is None and not self._policy.discard_output and self._too_long():
            self.reason = Verdict.OUTPUT_LIMIT

    @property
    def died_early(self) -> bool:
        """Whether it was gone, by no doing of ours, before the program started."""
        return self.reason is None and not {"go", "missing"} & set(self.messages)

    @property
    def died_alone(self) -> bool:
        """Whether it was killed, by no doing of ours, before its first process could tell how the program ended."""
        return self.reason is None and not {"ended", "missing"} & set(self.messages)

    def captured(self) -> tuple[Captured, Captured]:
        """What was kept of stdout and stderr."""
        return self._all[0].captured(), self._all[1].captured()

    def _turn(self, seconds: float) -> bool:
        """Wait for something to happen, and see to it; true at the end."""
        over = False
        for descriptor, _ in self._poll.poll(max(0, int(seconds * 1000) + 1)):
            if descriptor in self._streams:
                self._read(descriptor)
            elif descriptor == self._input_to:
                self._write()
            elif descriptor == self._channel.fileno():
                over |= self._listen()
            else:
                # The first process is dead, and in its PID namespace so are all others. It may have told why.
                while not self._deaf and not self._listen():
                    pass
                over = True
        return over

    def _listen(self) -> bool:
        """Take one message; true after the last."""
        try:
            received = receive(self._channel)
        except OSError:
            received = None
        if received is None:
            self._deaf = True
            self._poll.unregister(self._channel.fileno())
            return False
        message, descriptors = received
        for each in descriptors:
            os.close(each)
        self.messages[message["kind"]] = message
        return message["kind"] in {"ended", "missing"}

    def _read(self, descriptor: int) -> None:
        stream = self._streams[descriptor]
        if stream.read(self._buffer) == 0:
            self._poll.unregister(descriptor)
            del self._streams[descriptor]
        elif self.reason is None and stream.too_long and not self._policy.discard_output:
            self.reason = Verdict.OUTPUT_LIMIT

    def _too_long(self) -> bool:
        return any(stream.too_long for stream in self._all)

    def _write(self) -> None:
        try:
            self._input = self._input[os.write(self._input_to, self._input[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            # It does not want the rest.
            self._input = self._input[:0]
        if not self._input:
            self._close_input()

    def _close_input(self) -> None:
        if self._input_to >= 0:
            self._poll.unregister(self._input_to)
            os.close(self._input_to)
            self._input_to = -1
