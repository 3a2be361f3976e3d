"""The parent of a slot's process: forks it, watches it, and leaves nothing of it alive.

Run as ``python -I -m pitchey_core.slots.warden FD``. One warden per slot, because a subreaper adopts every orphan of
its slot, whatever called ``setsid`` or forked twice: nobody has to guess whose it is. The same process is the slot's
fork server (it has one thread and pure Python modules only), so a crashed slot is back in milliseconds.

Its descriptor is the lifeline: when the host's end closes, for whatever reason, the tree dies. The same happens when
the lease runs out, which covers a host that is stopped rather than dead.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import math
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections import deque
from typing import Any, Final, NoReturn

from pitchey_core.errors import LeaseLost, LimitExceeded, PitcheyError, SlotCrashed
from pitchey_core.order import unpack_orders
from pitchey_core.process.tree import TAG_VARIABLE, kill_tree, read_process, tree
from pitchey_core.slots import worker
from pitchey_core.slots.occupancy import Occupancy
from pitchey_core.slots.protocol import PROTOCOL_VERSION, FrameReader, ProtocolError, encode
from pitchey_core.slots.running import Child, Run

__all__ = ["main"]

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_STATS_SECONDS: Final = 1.0
_MAX_BACKLOG: Final = 4 * 1024**2
"""Bytes for a host that does not read; past that, progress is dropped and results wait."""
_FLUSH_SECONDS: Final = 0.002
_FLUSH_BYTES: Final = 32 * 1024
_RECYCLE_JOBS: Final = 1000
_RECYCLE_SECONDS: Final = 60.0
"""A process lives at least that long: it takes a new one a tenth of a second to import what its jobs need."""
_RECYCLE_BYTES: Final = 1024**3


class Warden:
    """The event loop. Single-threaded, and it never blocks: a stopped host must not keep it from its duty."""

    def __init__(self, host: socket.socket, tag: str) -> None:
        self.host = host
        self.tag = tag
        self.frames = FrameReader()
        self.outbox = bytearray()
        self.flush_at = math.inf
        self.selector = selectors.DefaultSelector()
        self.lease_until: float | None = None
        self.child: Child | None = None
        self.running: Run | None = None
        self.next_runs: deque[Run] = deque()
        self.logging: deque[Run] = deque()
        self.occupancy: Occupancy | None = None
        self.wakeup, wakeup_end = socket.socketpair()
        for end in (self.wakeup, wakeup_end, host):
            end.setblocking(False)
        signal.set_wakeup_fd(wakeup_end.fileno(), warn_on_full_buffer=False)
        self._wakeup_end = wakeup_end
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.die())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Inherited: a cancellation must not kill a child that has no handler yet.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        self.selector.register(host, selectors.EVENT_READ, self.read_host)
        self.selector.register(self.wakeup, selectors.EVENT_READ, self.reap)

    # -- the loop -----------------------------------------------------------------------------------------------

    def loop(self) -> NoReturn:
        self.send({"kind": "ready", "version": PROTOCOL_VERSION, "pid": os.getpid()})
        self.fork()
        while True:
            for key, events in self.selector.select(self.timeout()):
                if key.fileobj is self.host and events & selectors.EVENT_WRITE:
                    self.flush()
                if events & selectors.EVENT_READ:
                    key.data()
            self.watch()

    def timeout(self) -> float | None:
        waits = [max(0.0, self.flush_at - time.monotonic())] if self.flush_at < math.inf else []
        if self.running is not None:
            waits.append(self.running.next_look(time.monotonic()))
        if self.lease_until is not None:
            waits.append(max(0.0, self.lease_until - time.clock_gettime(time.CLOCK_BOOTTIME)))
        return min(waits, default=None)

    def watch(self) -> None:
        """Enforce the lease, the deadlines and the memory limit of what runs."""
        if self.lease_until is not None and time.clock_gettime(time.CLOCK_BOOTTIME) >= self.lease_until:
            self.lease_until = None
            # An idle slot holds no claim, and may stay warm.
            if self.running is not None:
                self.kill(LeaseLost("the lease on the job ran out: its supervisor was stopped or too slow"))
        now = time.monotonic()
        if now >= self.flush_at:
            self.flush()
        run = self.running
        if run is None:
            return
        if (error := run.overdue(now)) is not None:
            self.kill(error)
            return
        meter = run.measure(now)
        if meter is None:
            return
        if meter.sample(now):
            limit = min((o.limits.memory_bytes for o in run.orders if o.limits.memory_bytes), default=None)
            if limit is not None and meter.exceeds(limit):
                self.kill(
                    LimitExceeded(
                        f"the job used more than its {limit // 1024**2} MiB of memory",
                        limit="memory",
                        remedy="give it a larger instance type",
                    )
                )
                return
        if now - run.stats_at >= _STATS_SECONDS:
            run.stats_at = now
            usage = meter.usage()
            self.send(
                {"kind": "stats", "cpu_us": usage.cpu_us, "memory_bytes": usage.peak_memory_bytes},
                droppable=True,
            )

    # -- the host -----------------------------------------------------------------------------------------------

    def send(self, frame: dict[str, Any], *, droppable: bool = False) -> None:
        self.put(frame, droppable=droppable)
        self.flush()

    def put(self, frame: dict[str, Any], *, droppable: bool = False) -> None:
        if not droppable or len(self.outbox) <= _MAX_BACKLOG:
            self.outbox += encode(frame)

    def flush_soon(self) -> None:
        """Tell the host; while there is more to come, not of each short job by itself: it would wake up for each."""
        if self.running is None or len(self.outbox) > _FLUSH_BYTES:
            self.flush()
        elif self.outbox and self.flush_at == math.inf:
            self.flush_at = time.monotonic() + _FLUSH_SECONDS

    def flush(self) -> None:
        self.flush_at = math.inf
        while self.outbox:
            try:
                sent = self.host.send(self.outbox)
            except BlockingIOError:
                break
            except OSError:
                self.die()
            del self.outbox[:sent]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.outbox else 0)
        if self.selector.get_key(self.host).events != wanted:
            self.selector.modify(self.host, wanted, self.read_host)

    def read_host(self) -> None:
        try:
            data = self.host.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.die()
        for frame in self.frames.feed(data):
            self.obey(frame)

    def obey(self, frame: dict[str, Any]) -> None:
        match frame["kind"]:
            case "run":
                self.start(frame)
            case "cancel":
                for run in (self.running, *self.next_runs):
                    if run is not None and frame["key"] in run.waiting:
                        run.cancel(frame["grace_seconds"])
                        self.pass_on(frame)
            case "lease":
                self.lease_until = frame["until"]
            case _:
                pass

    def pass_on(self, frame: dict[str, Any]) -> None:
        """Give the child a frame while it works; the signal makes it look. If it does not read, it is killed soon."""
        if self.child is not None:
            with contextlib.suppress(OSError):
                self.child.channel.send(encode(frame))
                os.kill(self.child.pid, signal.SIGUSR1)

    def let_go_on(self) -> None:
        """Tell the child that waits for it that nothing is left of its last job."""
        if self.child is not None:
            with contextlib.suppress(OSError):
                self.child.channel.send(encode({"kind": "go"}))

    # -- the child ----------------------------------------------------------------------------------------------

    def fork(self) -> None:
        """Fork the process that runs jobs. With more threads than one, locks could be copied in a locked state."""
        threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
        if threads != 1:
            raise RuntimeError(f"the warden has {threads} threads; it must have one to fork safely")
        channel, far_channel = socket.socketpair()
        log, far_log = os.pipe()
        end_of_log = b"\0" + os.urandom(12).hex().encode() + b"\n"
        pid = os.fork()
        if pid == 0:
            self.become_worker(far_channel, far_log, end_of_log)
        far_channel.close()
        os.close(far_log)
        channel.setblocking(False)
        os.set_blocking(log, False)
        self.child = Child(pid, channel, log, end_of_log)
        self.selector.register(channel, selectors.EVENT_READ, self.read_child)
        self.selector.register(self.child.log, selectors.EVENT_READ, self.pump_log)

    def become_worker(self, channel: socket.socket, log: int, end_of_log: bytes) -> NoReturn:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        parent = os.getppid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        self.selector.close()
        for end in (self.host, self.wakeup, self._wakeup_end):
            end.close()
        null = os.open(os.devnull, os.O_RDWR)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.closerange(3, channel.fileno())
        os.closerange(channel.fileno() + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        worker.serve(channel, end_of_log)

    def start(self, frame: dict[str, Any]) -> None:
        if self.child is None:
            self.fork()
        assert self.child is not None
        orders = unpack_orders(frame["orders"])
        runs = [Run(orders)] if frame["together"] else [Run([order]) for order in orders]
        self.next_runs, self.logging = deque(runs), deque(runs)
        self.begin_next()
        try:
            # The child is idle and reads; a blocking send of a large payload cannot stall.
            self.child.channel.setblocking(True)
            self.child.channel.sendall(encode(frame))
            self.child.channel.setblocking(False)
        except OSError:
            self.child_died()

    def begin_next(self) -> None:
        self.running = self.next_runs.popleft() if self.next_runs else None
        if self.running is None:
            return
        self.running.begin()
        if self.occupancy is None:
            self.occupancy = Occupancy(self.running.orders[0].base_dir, self.tag)
        self.occupancy.note(order.key for order in self.running.orders)

    def read_child(self) -> None:
        child = self.child
        assert child is not None
        try:
            data = child.channel.recv(1 << 16)
            frames = child.frames.feed(data)
        except BlockingIOError:
            return
        except (OSError, ProtocolError):
            data, frames = b"", []
        for frame in frames:
            self.relay(frame)
        self.flush_soon()
        if not data:
            self.child_died()

    def relay(self, frame: dict[str, Any]) -> None:
        run = self.running
        if run is None or frame.get("key") not in run.waiting:
            return
        if frame["kind"] != "done":
            self.put(frame, droppable=True)
            return
        run.waiting.discard(frame["key"])
        alone = frame.pop("alone")
        if run.waiting:
            self.put({**frame, "log_path": run.log_path()})
            return
        self.pump_log()
        if run.meter is not None and run.meter.peak_bytes > frame["usage"]["peak_memory_bytes"]:
            frame["usage"].update(peak_memory_bytes=run.meter.peak_bytes, memory_method="sampled-pss")
        self.running = None
        if not alone:
            self.clear_leftovers()
        frame["usage"]["cpu_us"] += run.orphans_cpu_us()
        frame["log_path"] = run.log_path()
        self.put(frame)
        run.close()
        if self.child is not None:
            self.child.jobs += 1
        self.begin_next()
        if not alone:
            self.let_go_on()
        if self.running is None:
            self.recycle_if_due()

    def clear_leftovers(self) -> None:
        """Nothing survives a finished job: what its process started and left behind dies before the result is told."""
        assert self.child is not None
        expected = (os.getpid(), self.child.pid)
        while left := [entry.pid for entry in tree(os.getpid()) if entry.alive and entry.pid not in expected]:
            for pid in left:
                kill_tree(pid)
        self.collect()

    def recycle_if_due(self) -> None:
        child = self.child
        if child is None:
            return
        old = child.jobs >= _RECYCLE_JOBS and time.monotonic() - child.forked_at >= _RECYCLE_SECONDS
        entry = read_process(child.pid)
        if old or (entry is not None and entry.rss_bytes > _RECYCLE_BYTES):
            self.drop_child()
            self.fork()

    def pump_log(self) -> None:
        """Copy what the child printed to the attempt's log, which comes into being with the first byte."""
        child = self.child
        if child is None:
            return
        while True:
            try:
                data = os.read(child.log, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                with contextlib.suppress(KeyError, ValueError):
                    self.selector.unregister(child.log)
                return
            first, *later = child.split_log(data)
            self.write_log(first)
            for each in later:
                if self.logging:
                    self.logging.popleft()
                self.write_log(each)

    def write_log(self, data: bytes) -> None:
        if self.logging:
            self.logging[0].write_log(data)

    def reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.wakeup.recv(4096)
        self.collect()

    def collect(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.child is not None and pid == self.child.pid:
                self.child.status = status

    def child_died(self) -> None:
        """The child's channel closed: it crashed, or something killed it."""
        child = self.child
        if child is None:
            return
        for _ in range(200):
            self.collect()
            if child.status is not None:
                break
            time.sleep(0.005)
        self.kill(
            SlotCrashed(f"the process of the job {_describe(child.status)}", remedy="its log may say more")
        )

    def kill(self, error: PitcheyError) -> None:
        """Kill the tree, verify that nothing is left of it, tell the host why, and be ready again."""
        run, unrun = self.running, [order.key for each in self.next_runs for order in each.orders]
        self.drop_child()
        self.running = None
        self.next_runs.clear()
        self.logging.clear()
        if run is not None:
            self.send(
                {
                    "kind": "died",
                    "error": error.as_record(),
                    "usage": run.usage().as_record(),
                    "log_path": run.log_path(),
                    "unrun": unrun,
                }
            )
            run.close()
        self.fork()

    def drop_child(self) -> None:
        child, left = self.child, kill_tree(os.getpid(), tag=self.tag)
        self.collect()
        if child is not None:
            self.pump_log()
            self.child = None
            for end in (child.channel, child.log):
                with contextlib.suppress(KeyError, ValueError):
                    self.selector.unregister(end)
            child.close()
        if left:
            # Uninterruptible sleep: the kernel kills them as soon as it lets go of them. Reported, not waited for.
            print(f"pitchey: processes {left} of slot {self.tag} do not die yet", file=sys.stderr)  # noqa: T201

    def die(self) -> NoReturn:
        """The end of the slot: nothing of it may be left."""
        kill_tree(os.getpid(), tag=self.tag)
        os._exit(0)


def _describe(status: int | None) -> str:
    if status is None:
        return "closed its channel"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        # Real-time signals have no names.
        return "was killed by " + next((e.name for e in signal.Signals if e == number), f"signal {number}")
    return f"exited with status {os.WEXITSTATUS(status)}"


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {errno.errorcode.get(number)}")


def main() -> NoReturn:
    """Entry point; the argument is the number of the inherited descriptor."""
    host = socket.socket(fileno=int(sys.argv[1]))
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # Copied pages stay shared with the child as long as the collector does not touch them.
    gc.freeze()
    Warden(host, os.environ[TAG_VARIABLE]).loop()


if __name__ == "__main__":
    main()
