"""The process of a slot that runs jobs, forked by its warden (:mod:`pitchey_core.slots.warden`).

Jobs run in its main thread, one after another, so processors keep their models and sessions warm.
"""

from __future__ import annotations

import contextlib
import faulthandler
import inspect
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections import deque
from functools import partial
from typing import Any, NoReturn

from pitchey_core.context import JobContext
from pitchey_core.errors import PitcheyError
from pitchey_core.hooks import ProcessorSpec
from pitchey_core.order import JobOrder, spec_from_record, unpack_orders
from pitchey_core.processor import AnyProcessor
from pitchey_core.registry import Registry, load_processor
from pitchey_core.slots.attempt import Attempted, attempt, attempt_batch
from pitchey_core.slots.protocol import FrameReader, encode

__all__ = ["serve"]

# As it is below what makes enumerations of its answers, which takes longer than all the rest of it.
_set_handler = inspect.unwrap(signal.signal)


class _Server:
    """Runs what the channel asks for.

    A cancel frame names its job, and a signal only says that there is one to read: so a cancellation that comes
    just as its job ends cannot hit the next job, and one that comes before this process is ready is not lost.
    """

    def __init__(self, channel: socket.socket, end_of_log: bytes) -> None:
        self.channel = channel
        self.end_of_log = end_of_log
        self.name = str(os.getpid()).encode()
        self.siblings = _children_of(os.getppid())
        self.children = _children_of(os.getpid())
        self.frames = FrameReader()
        self.pending: deque[dict[str, Any]] = deque()
        self.cancelled: set[str] = set()
        self.processors: dict[str, AnyProcessor] = {}
        self.registry: Registry | None = None
        self._reading = False
        # Processors may report progress from threads of their own.
        self._sending = threading.Lock()

    def loop(self) -> None:
        while (frame := self.next_frame()) is not None:
            if frame["kind"] == "warm":
                self.warm(spec_from_record(frame["spec"]))
            if frame["kind"] == "run":
                self.cancelled.clear()
                self.read_cancellations()
                orders = unpack_orders(frame["orders"])
                if frame["together"]:
                    self.run(orders)
                else:
                    for order in orders:
                        self.run([order])

    def next_frame(self) -> dict[str, Any] | None:
        self._reading = True
        try:
            while not self.pending:
                data = self.channel.recv(1 << 16)
                if not data:
                    return None
                self.pending.extend(self.frames.feed(data))
        finally:
            self._reading = False
        return self.pending.popleft()

    def read_cancellations(self, *_: object) -> None:
        """Look at what has arrived while a job runs; also the handler of SIGUSR1."""
        if self._reading:
            return
        self._reading = True
        try:
            while data := self.channel.recv(1 << 16, socket.MSG_DONTWAIT):
                self.pending.extend(self.frames.feed(data))
        except BlockingIOError:
            pass
        finally:
            self._reading = False
        self.cancelled |= {frame["key"] for frame in self.pending if frame["kind"] == "cancel"}

    def send(self, frame: dict[str, Any]) -> None:
        with self._sending:
            self.channel.sendall(encode(frame))

    def run(self, orders: list[JobOrder]) -> None:
        # A processor may have changed these for itself; the next job's cancellation must get through.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _set_handler(signal.SIGUSR1, self.read_cancellations)
        try:
            processor = self.processor(orders[0].spec)
        except PitcheyError as error:
            done = [Attempted(order, None) for order in orders]
            for each in done:
                each.error = error
        else:
            jobs = [self.context(order) for order in orders]
            if len(orders) > 1:
                done = attempt_batch(orders, processor, jobs)
            else:
                done = [attempt(orders[0], processor, jobs[0])]
        sys.stdout.flush()
        sys.stderr.flush()
        # What follows this in the log is the next job's.
        os.write(2, self.end_of_log)
        kept = _kept()
        alone = self.alone(kept)
        for each in done:
            self.send({**each.as_frame(), "alone": alone, "kept": kept})
        if not alone:
            self.wait_until_alone()

    def alone(self, kept: int | None) -> bool:
        """Whether nothing is left of what the job may have started: neither our children nor orphans of theirs.

        Args:
            kept: The launcher of sandboxes, our only child then. A list of the kernel's could miss a child only after
                one that ends while it is read, and that one stands in it.
        """
        if self.siblings is None:
            return False
        if kept is None:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                return False
        elif self.children is None or not _has_one_thread() or _list(self.children) != [b"%d" % kept]:
            # Those of other threads are in lists of their own.
            return False
        return _list(self.siblings) == [self.name]

    def wait_until_alone(self) -> None:
        while (frame := self.next_frame()) is not None:
            if frame["kind"] == "go":
                return
            if frame["kind"] == "cancel":
                self.cancelled.add(frame["key"])

    def warm(self, spec: ProcessorSpec) -> None:
        """Load ahead; what is wrong with the processor its first job will say."""
        with contextlib.suppress(PitcheyError):
            self.processor(spec)

    def processor(self, spec: ProcessorSpec) -> AnyProcessor:
        if spec.target not in self.processors:
            self.processors[spec.target] = load_processor(spec)
        return self.processors[spec.target]

    def context(self, order: JobOrder) -> JobContext:
        return JobContext(
            order,
            registry=self.installed,
            report=partial(self.report, order.key),
            cancelled=lambda: order.key in self.cancelled,
        )

    def installed(self) -> Registry:
        if self.registry is None:
            self.registry = Registry.load()
        return self.registry

    def report(self, key: str, fraction: float | None, message: str | None, figures: dict[str, Any]) -> None:
        self.send(
            {"kind": "progress", "key": key, "fraction": fraction, "message": message, "figures": figures}
        )


def _children_of(pid: int) -> int | None:
    """Where the kernel lists them; ``None`` where it does not (CONFIG_PROC_CHILDREN)."""
    try:
        return os.open(f"/proc/{pid}/task/{pid}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _list(children: int) -> list[bytes]:
    """The first of them; a complete list is shorter than that."""
    return os.pread(children, 64, 0).split()


def _has_one_thread() -> bool:
    return os.stat("/proc/self/task").st_nlink == 3  # noqa: PTH116 - once for each job; a link for each, and two of its own


def _kept() -> int | None:
    """The launcher of sandboxes that the job leaves warm for the next one."""
    shared = sys.modules.get("pitchey_core.isolation.shared")
    return None if shared is None else shared.launcher_pid()


def serve(channel: socket.socket, end_of_log: bytes) -> NoReturn:
    """Serve run frames until the warden closes the channel; never returns to the caller's stack.

    Args:
        end_of_log: What to print after each job, so that the warden knows whose the next line is.
    """
    status = 0
    try:
        faulthandler.enable(all_threads=True)
        logging.basicConfig(
            level=logging.INFO,
            stream=sys.stderr,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
            force=True,
        )
        server = _Server(channel, end_of_log)
        signal.signal(signal.SIGUSR1, server.read_cancellations)
        server.loop()
    except BaseException:  # noqa: BLE001 - the last stop before _exit; the warden reports the status
        traceback.print_exc()
        status = 1
    finally:
        sys.stderr.flush()
        os._exit(status)
