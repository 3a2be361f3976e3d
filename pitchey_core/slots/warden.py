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
import os
import resource
import selectors
import signal
import socket
import sys
import time
from typing import Any, Final, NoReturn

from pitchey_core.errors import Cancelled, LeaseLost, LimitExceeded, PitcheyError, SlotCrashed
from pitchey_core.order import JobOrder
from pitchey_core.pricing import Usage
from pitchey_core.process.tree import TAG_VARIABLE, kill_tree, read_process, tree
from pitchey_core.slots import worker
from pitchey_core.slots.meter import TreeMeter
from pitchey_core.slots.protocol import PROTOCOL_VERSION, FrameReader, ProtocolError, encode
from pitchey_core.slots.running import Child, Run

__all__ = ["main"]

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_STATS_SECONDS: Final = 1.0
_MAX_BACKLOG: Final = 4 * 1024**2
"""Bytes for a host that does not read; past that, progress is dropped and results wait."""
_RECYCLE_JOBS: Final = 1000
_RECYCLE_BYTES: Final = 1024**3


class Warden:
    """The event loop. Single-threaded, and it never blocks: a stopped host must not keep it from its duty."""

    def __init__(self, host: socket.socket, tag: str) -> None:
        self.host = host
        self.tag = tag
        self.frames = FrameReader()
        self.outbox = bytearray()
        self.selector = selectors.DefaultSelector()
        self.lease_until: float | None = None
        self.child: Child | None = None
        self.running: Run | None = None
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
        waits = []
        if self.running is not None:
            waits.append(self.running.meter.interval)
            waits += [max(0.0, at - time.monotonic()) for at, _ in self.running.deadlines.values()]
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
        run = self.running
        if run is None:
            return
        now = time.monotonic()
        for at, error in run.deadlines.values():
            if now >= at:
                self.kill(error)
                return
        if run.meter.sample(now):
            limit = min((o.limits.memory_bytes for o in run.orders if o.limits.memory_bytes), default=None)
            if limit is not None and run.meter.exceeds(limit):
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
            usage = run.meter.usage()
            self.send(
                {"kind": "stats", "cpu_us": usage.cpu_us, "memory_bytes": usage.peak_memory_bytes},
                droppable=True,
            )

    # -- the host -----------------------------------------------------------------------------------------------

    def send(self, frame: dict[str, Any], *, droppable: bool = False) -> None:
        if droppable and len(self.outbox) > _MAX_BACKLOG:
            return
        self.outbox += encode(frame)
        self.flush()

    def flush(self) -> None:
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
                self.start([JobOrder.from_record(order) for order in frame["orders"]], frame)
            case "cancel" if self.running is not None and frame["key"] in self.running.waiting:
                cancelled = Cancelled("the job was cancelled")
                self.running.deadlines["cancel"] = (time.monotonic() + frame["grace_seconds"], cancelled)
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

    # -- the child ----------------------------------------------------------------------------------------------

    def fork(self) -> None:
        """Fork the process that runs jobs. With more threads than one, locks could be copied in a locked state."""
        threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
        if threads != 1:
            raise RuntimeError(f"the warden has {threads} threads; it must have one to fork safely")
        channel, far_channel = socket.socketpair()
        log, far_log = os.pipe()
        pid = os.fork()
        if pid == 0:
            self.become_worker(far_channel, far_log)
        far_channel.close()
        os.close(far_log)
        channel.setblocking(False)
        os.set_blocking(log, False)
        self.child = Child(pid, channel, log)
        self.selector.register(channel, selectors.EVENT_READ, self.read_child)
        self.selector.register(self.child.log, selectors.EVENT_READ, self.pump_log)

    def become_worker(self, channel: socket.socket, log: int) -> NoReturn:
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
        worker.serve(channel)

    def start(self, orders: list[JobOrder], frame: dict[str, Any]) -> None:
        if self.child is None:
            self.fork()
        assert self.child is not None
        self.running = Run(orders, TreeMeter(os.getpid()))
        try:
            # The child is idle and reads; a blocking send of a large payload cannot stall.
            self.child.channel.setblocking(True)
            self.child.channel.sendall(encode(frame))
            self.child.channel.setblocking(False)
        except OSError:
            self.child_died()

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
        if not data:
            self.child_died()

    def relay(self, frame: dict[str, Any]) -> None:
        run = self.running
        if run is None or frame.get("key") not in run.waiting:
            return
        if frame["kind"] != "done":
            self.send(frame, droppable=True)
            return
        run.waiting.discard(frame["key"])
        if run.waiting:
            self.send({**frame, "log_path": run.log_path()})
            return
        self.pump_log()
        if run.meter.peak_bytes > frame["usage"]["peak_memory_bytes"]:
            frame["usage"].update(peak_memory_bytes=run.meter.peak_bytes, memory_method="sampled-pss")
        self.running = None
        self.clear_leftovers()
        frame["usage"]["cpu_us"] += run.orphans_cpu_us()
        self.send({**frame, "log_path": run.log_path()})
        run.close()
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
        child.jobs += 1
        entry = read_process(child.pid)
        if child.jobs >= _RECYCLE_JOBS or (entry is not None and entry.rss_bytes > _RECYCLE_BYTES):
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
            if self.running is not None:
                self.running.write_log(data)

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
        code = None if child.status is None else os.waitstatus_to_exitcode(child.status)
        what = f"the process of the job {_describe(child.status)}"
        self.kill(SlotCrashed(what, returncode=code, remedy="its log may say more"))

    def kill(self, error: PitcheyError) -> None:
        """Kill the tree, verify that nothing is left of it, tell the host why, and be ready again."""
        run = self.running
        usage = run.meter.usage() if run else Usage()
        self.drop_child()
        self.running = None
        if run is not None:
            usage = usage.with_(wall_us=run.wall_us(), cpu_us=max(usage.cpu_us, run.reaped_cpu_us()))
            self.send(
                {
                    "kind": "died",
                    "error": error.as_record(),
                    "usage": usage.as_record(),
                    "log_path": run.log_path(),
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
