"""Slots as their host sees them: start one, give it jobs, read what they report, be sure that nothing is left."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import anyio
import anyio.to_thread

from pitchey_core.errors import PitcheyError, SlotCrashed, error_from_record
from pitchey_core.hooks import ProcessorSpec
from pitchey_core.order import JobOrder, pack_orders
from pitchey_core.pricing import Usage
from pitchey_core.process import TAG_VARIABLE, clean_environment, kill_tree, process_start_ticks, tree_memory
from pitchey_core.process.cgroup_places import delegate
from pitchey_core.process.cgroups import Cgroup
from pitchey_core.slots.confinement import group_name
from pitchey_core.slots.policy import SlotPolicy
from pitchey_core.slots.protocol import PROTOCOL_VERSION, FrameReader, ProtocolError, encode

__all__ = ["Executor", "LocalExecutor", "Outcome", "Report", "Slot", "SlotReport", "new_tag"]

KILL_GRACE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended in its slot.

    Attributes:
        facts: The processor's facts as JSON data, ``None`` if it failed.
        manifest: Staged outputs, as JSON data of :class:`pitchey_core.storage.Manifest`; ``None`` if there are none.
        usage: ``usage.complete`` is false where the process died.
        died: The process of the job is gone, with everything that ran in it.
        enforced_by: What limited its memory, see :class:`Slot`.
        begun: False for a job that stood behind one that died: nothing was done for it, and it may be run again.
    """

    order: JobOrder
    facts: dict[str, Any] | None
    manifest: dict[str, Any] | None
    usage: Usage
    error: PitcheyError | None
    log_path: str | None
    died: bool = False
    begun: bool = True
    enforced_by: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Progress of a job, or (``key`` ``None``) usage of the running tree so far."""

    key: str | None
    fraction: float | None = None
    message: str | None = None
    figures: dict[str, Any] | None = None
    cpu_us: int | None = None
    memory_bytes: int | None = None


SlotReport = Callable[[Report], None]


class Executor(Protocol):
    """A place for slots to run; see the ``pitchey_executors`` hook. ``tag`` names the slot in leftover searches;
    ``devices`` are the accelerators that it may see, and are given only where there are any."""

    async def open_slot(self, tag: str, *, devices: Sequence[str] = ()) -> Slot: ...


class LocalExecutor:
    """Slots as processes of this host.

    Args:
        python: Interpreter of the slots, for plugins of another virtual environment; default: this one.
        policy: How they are kept.
    """

    def __init__(self, python: Path | None = None, policy: SlotPolicy | None = None) -> None:
        self.python = python or Path(sys.executable)
        self.policy = policy or SlotPolicy()

    async def open_slot(self, tag: str, *, devices: Sequence[str] = ()) -> Slot:
        """Start a slot. It is ready to take a job at once; its start-up is part of the first one.

        Args:
            tag: Everything that the slot starts carries it in its environment.
            devices: The accelerators that it may see, by the names that ``CUDA_VISIBLE_DEVICES`` knows; a process
                cannot change them. None: those that we see.
        """
        here, there = socket.socketpair()
        here.setblocking(False)
        outer = os.environ.get(TAG_VARIABLE)
        full_tag = f"{outer}/{tag}" if outer else tag

        def start() -> subprocess.Popen[bytes]:
            if self.policy.cgroups:
                delegate()
            module = ["-I", "-m", "pitchey_core.slots.warden"]
            return subprocess.Popen(
                [os.fspath(self.python), *module, str(there.fileno()), self.policy.as_argument()],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                env=_environment(full_tag, devices),
                start_new_session=True,
                cwd="/",
            )

        try:
            process = await anyio.to_thread.run_sync(start)
        except OSError:
            here.close()
            raise
        finally:
            there.close()
        return Slot(process, here, full_tag, devices=tuple(devices))


_STORAGE_VARIABLES: Final = ("AWS_", "AZURE_STORAGE_", "FSSPEC_", "GOOGLE_APPLICATION_CREDENTIALS", "HF_")
_RUNTIME_VARIABLES: Final = ("CUDA_", "ORT_", "PITCHEY_MODEL_", "PITCHEY_ORT_", "XDG_CACHE_HOME")


def _environment(tag: str, devices: Sequence[str]) -> dict[str, str]:
    """What a slot inherits: the clean default; for fetching inputs, the credentials of storage drivers; and what says
    where models are kept, and on which devices they run.

    Programs that it starts get none of it but the devices.
    """
    wanted = (*_STORAGE_VARIABLES, *_RUNTIME_VARIABLES)
    kept = {name: value for name, value in os.environ.items() if name.startswith(wanted)}
    bound = {"CUDA_VISIBLE_DEVICES": ",".join(devices)} if devices else {}
    return clean_environment(kept) | bound | {TAG_VARIABLE: tag}


class Slot:
    """A warm process that runs one job (or batch) at a time.

    Attributes:
        tag: See :meth:`LocalExecutor.open_slot`.
        devices: The accelerators that it is bound to; none: it sees what its host sees.
        alive: False once its warden is gone; open another then.
        enforced_by: What limits its memory: ``cgroup-v1``, ``cgroup-v2`` or ``supervision``; ``None`` until it has
            said so, which it does before its first outcome.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        channel: socket.socket,
        tag: str,
        devices: tuple[str, ...] = (),
    ) -> None:
        self.tag = tag
        self.devices = devices
        self.alive = True
        self.enforced_by: str | None = None
        self._process = process
        self._started = process_start_ticks(process.pid)
        self._group = group_name(process.pid, self._started)
        self._channel = channel
        self._frames = FrameReader()
        self._sending = anyio.Lock()

    async def run(
        self,
        orders: Sequence[JobOrder],
        report: SlotReport | None = None,
        *,
        together: bool = True,
        ended: Callable[[list[Outcome]], None] | None = None,
    ) -> list[Outcome]:
        """Run one order or several; one outcome each, in order.

        Errors of jobs are part of their outcomes. If the caller is cancelled, the slot is killed.

        Args:
            together: Their processor takes all of them in one call; else they run one after another, without waiting
                for this side in between.
            ended: Takes outcomes as they come.
        """
        outcomes: dict[str, Outcome] = {}
        by_key = {order.key: order for order in orders}
        try:
            await self._send({"kind": "run", "orders": pack_orders(orders), "together": together})
            while len(outcomes) < len(by_key):
                fresh: list[Outcome] = []
                for frame in await self._receive():
                    told = self._take(frame, by_key, outcomes, report)
                    outcomes.update((each.order.key, each) for each in told)
                    fresh += told
                if fresh and ended is not None:
                    ended(fresh)
        except (OSError, ProtocolError, anyio.ClosedResourceError) as error:
            await self.kill()
            left = [order for order in orders if order.key not in outcomes]
            lost = _lost(left, SlotCrashed(f"the warden of the job's process is gone ({error})"), together)
            outcomes.update((each.order.key, each) for each in lost)
            if ended is not None:
                ended(lost)
        except BaseException:
            await self.kill()
            raise
        return [outcomes[order.key] for order in orders]

    def _take(
        self,
        frame: dict[str, Any],
        by_key: dict[str, JobOrder],
        outcomes: dict[str, Outcome],
        report: SlotReport | None,
    ) -> list[Outcome]:
        """Take in a frame; returns the outcomes that it tells."""
        kind = frame["kind"]
        if kind == "done":
            order = by_key.get(frame["key"])
            return [] if order is None else [_done(order, frame, self.enforced_by)]
        if kind == "ready" and frame["version"] != PROTOCOL_VERSION:
            raise ProtocolError(
                f"the slot speaks version {frame['version']} of the protocol, this host {PROTOCOL_VERSION}"
            )
        if kind == "limits":
            self.enforced_by = frame["enforced_by"]
        if kind == "progress" and report is not None:
            report(Report(frame["key"], frame["fraction"], frame["message"], frame["figures"]))
        elif kind == "stats" and report is not None:
            report(Report(None, cpu_us=frame["cpu_us"], memory_bytes=frame["memory_bytes"]))
        elif kind == "died":
            left = [order for key, order in by_key.items() if key not in outcomes]
            return _died(frame, left, self.enforced_by)
        return []

    async def cancel(self, key: str, *, grace_seconds: float = KILL_GRACE_SECONDS) -> None:
        """Ask a running job to stop; past the grace time its tree is killed. Its outcome says ``Cancelled``."""
        with contextlib.suppress(OSError, anyio.ClosedResourceError):
            await self._send({"kind": "cancel", "key": key, "grace_seconds": grace_seconds})

    async def extend_lease(self, seconds: float) -> None:
        """Let the slot live for that long from now; without a further call it kills what it runs."""
        until = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
        with contextlib.suppress(OSError, anyio.ClosedResourceError):
            await self._send({"kind": "lease", "until": until})

    async def freeze(self) -> None:
        """Stop what runs, where it is: it uses no CPU time, keeps its memory, and its wall clock stands still."""
        await self._tell({"kind": "freeze"})

    async def thaw(self) -> None:
        """Let go on what was frozen."""
        await self._tell({"kind": "thaw"})

    async def warm(self, spec: ProcessorSpec) -> None:
        """Load a processor ahead of its first job; does nothing while one runs."""
        await self._tell({"kind": "warm", "spec": asdict(spec)})

    def memory_bytes(self) -> int:
        """Resident memory of all that belongs to it, now."""
        return tree_memory(self._process.pid).rss_bytes

    async def _tell(self, frame: dict[str, Any]) -> None:
        with contextlib.suppress(OSError, anyio.ClosedResourceError):
            await self._send(frame)

    async def close(self) -> None:
        """End the slot and wait until nothing of it is left."""
        await self.kill()

    async def kill(self) -> None:
        """Close the lifeline, wait for the warden to clear its tree, and clear up after a warden that did not."""
        with anyio.CancelScope(shield=True):
            if self.alive:
                self.alive = False
                # Wakes a `run` that waits for this slot; it sees the slot as crashed.
                anyio.notify_closing(self._channel)
                self._channel.close()
            await anyio.to_thread.run_sync(self._end)

    def _end(self) -> None:
        try:
            self._process.wait(KILL_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.returncode != 0:
            # Waited for, so its number may be another process's by now.
            kill_tree(self._process.pid, tag=self.tag, start_ticks=self._started)
            if group := Cgroup.existing(self._group):
                group.kill()
                group.remove()

    async def _send(self, frame: dict[str, Any]) -> None:
        data = memoryview(encode(frame))
        async with self._sending:
            while data:
                try:
                    sent = self._channel.send(data)
                except BlockingIOError:
                    await anyio.wait_writable(self._channel)
                else:
                    data = data[sent:]

    async def _receive(self) -> list[dict[str, Any]]:
        while True:
            try:
                data = self._channel.recv(1 << 16)
            except BlockingIOError:
                await anyio.wait_readable(self._channel)
                continue
            if not data:
                raise ConnectionResetError("its channel closed")
            if frames := self._frames.feed(data):
                return frames


def _done(order: JobOrder, frame: dict[str, Any], enforced_by: str | None) -> Outcome:
    return Outcome(
        order,
        frame["facts"],
        frame["manifest"],
        Usage(**frame["usage"]),
        error_from_record(frame["error"]) if frame["error"] else None,
        frame["log_path"],
        enforced_by=enforced_by,
    )


def _died(frame: dict[str, Any], waiting: Sequence[JobOrder], enforced_by: str | None) -> list[Outcome]:
    unrun = set(frame["unrun"])
    running = [order for order in waiting if order.key not in unrun]
    shares = Usage.from_record(frame["usage"]).split(len(running)) if running else []
    error = error_from_record(frame["error"])
    return [
        *(
            Outcome(order, None, None, usage, error, frame["log_path"], died=True, enforced_by=enforced_by)
            for order, usage in zip(running, shares, strict=True)
        ),
        *(_unrun(order, error) for order in waiting if order.key in unrun),
    ]


def _lost(waiting: Sequence[JobOrder], error: PitcheyError, together: bool) -> list[Outcome]:
    """Outcomes of a slot that is gone: nobody can say more than whose turn it was."""
    running = len(waiting) if together else 1
    return [
        *(
            Outcome(order, None, None, Usage(complete=False), error, None, died=True)
            for order in waiting[:running]
        ),
        *(_unrun(order, error) for order in waiting[running:]),
    ]


def _unrun(order: JobOrder, error: PitcheyError) -> Outcome:
    return Outcome(order, None, None, Usage(), error, None, died=True, begun=False)


def new_tag(owner: str) -> str:
    """A fresh tag for a slot of ``owner`` (a worker's id), so that ``owner`` finds all of its slots' leftovers."""
    return f"{owner}/{uuid.uuid4().hex[:12]}"
