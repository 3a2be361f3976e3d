"""The parent of a slot's process: forks it, watches it, and leaves nothing of it alive.

Run as ``python -I -m pitchey_core.slots.warden FD POLICY``. One warden per slot, because a subreaper adopts every
orphan of its slot, whatever called ``setsid`` or forked twice: nobody has to guess whose it is. The same process is the
fork server of the slot (one thread, pure Python modules only), so a crashed slot is back in milliseconds.

Its descriptor is the lifeline: when the host's end closes, for whatever reason, the tree dies. The same happens when
the lease runs out, which covers a host that is stopped rather than dead.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
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
from pitchey_core.slots.confinement import Confinement, memory_exceeded
from pitchey_core.slots.forking import PR_SET_CHILD_SUBREAPER, describe, fork_child, prctl
from pitchey_core.slots.link import HostLink
from pitchey_core.slots.occupancy import Occupancy
from pitchey_core.slots.policy import SlotPolicy
from pitchey_core.slots.protocol import PROTOCOL_VERSION, ProtocolError, decode
from pitchey_core.slots.running import Child, Run, write_logs

__all__ = ["main"]

_STATS_SECONDS: Final = 1.0
_RECYCLE_SECONDS: Final = 60.0
"""A process lives at least that long: it takes a new one a tenth of a second to import what its jobs need."""


class Warden:
    """The event loop. Single-threaded, and it never blocks: a stopped host must not keep it from its duty."""

    def __init__(self, host: socket.socket, tag: str, policy: SlotPolicy) -> None:
        self.selector = selectors.DefaultSelector()
        self.host = HostLink(host, self.selector, self.read_host, self.die)
        self.policy = policy
        self.confinement = Confinement(use_group=policy.cgroups)
        self.tag = tag
        self.enforced_by: str | None = None
        self.lease_until: float | None = None
        self.child: Child | None = None
        self.running: Run | None = None
        self.next_runs: deque[Run] = deque()
        self.logging: deque[Run] = deque()
        self.occupancy: Occupancy | None = None
        self.wakeup, wakeup_end = socket.socketpair()
        for end in (self.wakeup, wakeup_end):
            end.setblocking(False)
        signal.set_wakeup_fd(wakeup_end.fileno(), warn_on_full_buffer=False)
        self._wakeup_end = wakeup_end
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.die())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Inherited: a cancellation must not kill a child that has no handler yet.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        self.selector.register(self.wakeup, selectors.EVENT_READ, self.reap)

    # -- the loop -----------------------------------------------------------------------------------------------

    def loop(self) -> NoReturn:
        self.host.send({"kind": "ready", "version": PROTOCOL_VERSION, "pid": os.getpid()})
        self.fork()
        while True:
            for key, events in self.selector.select(self.timeout()):
                if key.fileobj is self.host.channel and events & selectors.EVENT_WRITE:
                    self.host.flush()
                if events & selectors.EVENT_READ:
                    key.data()
            self.watch()

    def timeout(self) -> float | None:
        waits = [max(0.0, self.host.flush_at - time.monotonic())] if self.host.flush_at < math.inf else []
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
        if now >= self.host.flush_at:
            self.host.flush()
        run = self.running
        if run is None:
            return
        if (error := run.overdue(now)) is not None:
            self.kill(error)
            return
        meter = None if self.confinement.frozen else run.measure(now, self.confinement.limiting)
        if meter is None:
            return
        if meter.sample(now):
            limit = run.memory_limit
            if self.confinement.program_killed() or (limit is not None and meter.exceeds(limit)):
                self.kill(memory_exceeded(limit))
                return
        if now - run.stats_at >= _STATS_SECONDS:
            run.stats_at = now
            usage = meter.usage()
            self.host.send(
                {"kind": "stats", "cpu_us": usage.cpu_us, "memory_bytes": usage.peak_memory_bytes},
                droppable=True,
            )

    # -- the host -----------------------------------------------------------------------------------------------

    def read_host(self) -> None:
        for data in self.host.read():
            self.obey(decode(data), data)

    def obey(self, frame: dict[str, Any], data: bytes) -> None:
        match frame["kind"]:
            case "run":
                self.start(frame, data)
            case "cancel":
                for run in (self.running, *self.next_runs):
                    if run is not None and frame["key"] in run.waiting:
                        self.thaw()
                        run.cancel(frame["grace_seconds"])
                        if self.child is not None:
                            self.child.tell(frame, wake=True)
            case "lease":
                self.lease_until = frame["until"]
            case "freeze":
                self.freeze()
            case "thaw":
                self.thaw()
            case "warm" if self.running is None and self.child is not None:
                self.child.tell(frame)
            case _:
                pass

    def freeze(self) -> None:
        if self.running is not None and not self.confinement.frozen:
            self.confinement.freeze()
            self.running.freeze()

    def thaw(self) -> None:
        if self.confinement.frozen:
            self.confinement.thaw()
            if self.running is not None:
                self.running.thaw()

    # -- the child ----------------------------------------------------------------------------------------------

    def fork(self) -> None:
        self.child = fork_child(self.confinement, self.forget)
        self.selector.register(self.child.channel, selectors.EVENT_READ, self.read_child)
        self.selector.register(self.child.log, selectors.EVENT_READ, self.pump_log)

    def forget(self) -> None:
        """In the child."""
        self.selector.close()
        for end in (self.host.channel, self.wakeup, self._wakeup_end):
            end.close()

    def start(self, frame: dict[str, Any], data: bytes) -> None:
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
            self.child.channel.sendall(data)
            self.child.channel.setblocking(False)
        except OSError:
            self.child_died()

    def begin_next(self) -> None:
        self.running = self.next_runs.popleft() if self.next_runs else None
        if self.running is None:
            return
        self.confinement.limit(self.running.memory_limit, self.running.orders[0].limits.vcpus)
        if (enforced_by := self.confinement.enforced_by) != self.enforced_by:
            self.enforced_by = enforced_by
            self.host.send({"kind": "limits", "enforced_by": enforced_by})
        self.running.begin()
        if self.occupancy is None:
            self.occupancy = Occupancy(self.running.orders[0].base_dir, self.tag)
        self.occupancy.note(order.key for order in self.running.orders)

    def read_child(self) -> None:
        child = self.child
        assert child is not None
        try:
            data = child.channel.recv(1 << 16)
            frames = [(decode(each), each) for each in child.frames.cut(data)]
        except BlockingIOError:
            return
        except (OSError, ProtocolError):
            data, frames = b"", []
        for frame, as_it_came in frames:
            self.relay(frame, as_it_came)
        self.host.flush_soon(more=self.running is not None)
        if not data:
            self.child_died()

    def relay(self, frame: dict[str, Any], data: bytes) -> None:
        run = self.running
        if run is None or frame.get("key") not in run.waiting:
            return
        if frame["kind"] != "done":
            self.host.put(frame, droppable=True)
            return
        if (run.meter is not None or frame["error"]) and self.confinement.program_killed():
            # What the job makes of that is no result.
            self.kill(memory_exceeded(run.memory_limit))
            return
        run.waiting.discard(frame["key"])
        alone, kept, before = frame["alone"], frame["kept"], (frame["log_path"], dict(frame["usage"]))
        if run.waiting:
            self.host.put({**frame, "log_path": run.log_path()})
            return
        self.pump_log()
        if run.meter is not None and run.meter.peak_bytes > frame["usage"]["peak_memory_bytes"]:
            frame["usage"].update(peak_memory_bytes=run.meter.peak_bytes, memory_method=run.meter.method)
        self.running = None
        if not alone:
            self.clear_leftovers(kept)
        frame["usage"]["cpu_us"] += run.orphans_cpu_us()
        frame["log_path"] = run.log_path()
        self.host.pass_on(data, frame, changed=(frame["log_path"], frame["usage"]) != before)
        run.close()
        if self.child is not None:
            self.child.jobs += 1
        self.begin_next()
        if not alone and self.child is not None:
            # It waits to hear that nothing is left of its last job.
            self.child.tell({"kind": "go"})
        if self.running is None:
            self.recycle_if_due()

    def clear_leftovers(self, kept: int | None) -> None:
        """Nothing survives a finished job: what its process started and left behind dies before the result is told.

        Args:
            kept: The launcher of sandboxes, which stays warm with what it has prepared for the next job.
        """
        assert self.child is not None
        while True:
            alive = [entry.pid for entry in tree(os.getpid()) if entry.alive]
            spared = {os.getpid(), self.child.pid}
            # After the others, so that what it prepares meanwhile is not taken for a leftover.
            if kept is not None and (entry := read_process(kept)) and entry.ppid == self.child.pid:
                spared.update(each.pid for each in tree(kept))
            left = [pid for pid in alive if pid not in spared]
            if not left:
                break
            for pid in left:
                kill_tree(pid)
        self.collect()

    def recycle_if_due(self) -> None:
        child = self.child
        if child is None:
            return
        old = (
            child.jobs >= self.policy.recycle_jobs and time.monotonic() - child.forked_at >= _RECYCLE_SECONDS
        )
        entry = read_process(child.pid)
        if old or (entry is not None and entry.rss_bytes > self.policy.recycle_bytes):
            self.drop_child()
            self.fork()

    def pump_log(self) -> None:
        """Copy what the child printed to the attempt's log, which comes into being with the first byte."""
        child = self.child
        if child is None:
            return
        if not write_logs(child, self.logging):
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(child.log)

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
                self.child.ended(status)

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
        killed = child.status is not None and os.WIFSIGNALED(child.status)
        if (
            killed
            and os.WTERMSIG(child.status or 0) == signal.SIGKILL
            and self.confinement.ran_out_of_memory()
        ):
            limit = self.running.memory_limit if self.running is not None else None
            self.kill(memory_exceeded(limit))
            return
        code = None if child.status is None else os.waitstatus_to_exitcode(child.status)
        what = f"the process of the job {describe(child.status)}"
        self.kill(SlotCrashed(what, returncode=code, remedy="its log may say more"))

    def kill(self, error: PitcheyError) -> None:
        """Kill the tree, verify that nothing is left of it, tell the host why, and be ready again."""
        peak = 0
        if self.running is not None and isinstance(error, LimitExceeded) and error.limit == "memory":
            peak = min(self.confinement.peak_bytes(), self.running.memory_limit or 0)
        run, unrun = self.running, [order.key for each in self.next_runs for order in each.orders]
        self.drop_child()
        self.running = None
        self.next_runs.clear()
        self.logging.clear()
        if run is not None:
            self.host.send(
                {
                    "kind": "died",
                    "error": error.as_record(),
                    "usage": run.usage(peak).as_record(),
                    "log_path": run.log_path(),
                    "unrun": unrun,
                }
            )
            run.close()
        self.fork()

    def drop_child(self) -> None:
        self.confinement.thaw()
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
        self.confinement.thaw()
        kill_tree(os.getpid(), tag=self.tag)
        self.confinement.remove()
        # Here and not above: of all slots, few have had a sandbox.
        from pitchey_core.isolation.cgroups import remove_left_groups

        remove_left_groups()
        os._exit(0)


def main() -> NoReturn:
    """Entry point; the arguments are the number of the inherited descriptor and the policy."""
    host = socket.socket(fileno=int(sys.argv[1]))
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    # Copied pages stay shared with the child as long as the collector does not touch them.
    gc.freeze()
    Warden(host, os.environ[TAG_VARIABLE], SlotPolicy.from_argument(sys.argv[2])).loop()


if __name__ == "__main__":
    main()
