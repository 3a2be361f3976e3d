"""Starts the launcher of sandboxes, and asks it for one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pitchey_core.isolation.cgroups import Group
from pitchey_core.isolation.jail.channel import receive, send
from pitchey_core.isolation.policy import Layer
from pitchey_core.process import interpreter, kill_tree

__all__ = ["Launcher", "Prepared", "Refused", "Wanted", "library_folders", "mode_for"]

_JAIL: Final = Path(__file__).parent / "jail"
_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 2.0
_CAP_SYS_ADMIN: Final = 1 << 21
_DEATH_SECONDS: Final = 5.0


class Refused(Exception):
    """A sandbox could not be built.

    Attributes:
        layer: The wall that is missing.
        reason: What the kernel said.
    """

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(f"{layer}: {reason}")
        self.layer = layer
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a sandbox must be like; one that was built ahead serves a job that wants exactly this."""

    layers: frozenset[Layer]
    required: frozenset[Layer]
    read_only: tuple[str, ...]
    size: int
    inodes: int
    warm: bool


@dataclass(slots=True)
class Prepared:
    """A sandbox that waits for its program. It is used once.

    Attributes:
        handle: pidfd of its first process.
        work: Descriptor of the folder where the program will work.
        host_folder: Where that is on the host, without a root of its own.
        owner: The host's user that the program will be; ``None`` for this process's user.
    """

    wanted: Wanted
    channel: socket.socket
    group: Group | None
    owner: int | None
    host_folder: Path | None = None
    handle: int = -1
    work: int = -1

    def wait_ready(self) -> None:
        """Wait until it is built.

        Raises:
            Refused: It cannot be built.
        """
        self.channel.settimeout(_START_SECONDS)
        try:
            while self.handle < 0 or self.work < 0:
                received = receive(self.channel)
                if received is None:
                    raise Refused("sandbox", "it died while it was built")
                message, descriptors = received
                if message["kind"] == "missing":
                    raise Refused(message["layer"], message["reason"])
                if message["kind"] == "forked":
                    self.handle = descriptors[0]
                elif message["kind"] == "ready":
                    self.work = descriptors[0]
                else:
                    raise Refused("sandbox", "its process died before the program came")
        except TimeoutError:
            raise Refused("sandbox", f"it was not built in {_START_SECONDS:g} s") from None
        except OSError as error:
            raise Refused("sandbox", f"it died while it was built: {error.strerror}") from error
        self.channel.settimeout(None)

    def kill(self) -> None:
        """Kill its first process, and with it, in a PID namespace, all others."""
        if self.handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)

    def wait_dead(self) -> None:
        """Wait until its first process is gone; not for ever, as it may hang in the kernel."""
        if self.handle >= 0:
            select.select([self.handle], [], [], _DEATH_SECONDS)

    def close(self) -> None:
        self.let_go()
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1

    def let_go(self) -> None:
        """Close what keeps its file system in memory."""
        self.channel.close()
        if self.work >= 0:
            os.close(self.work)
            self.work = -1


def library_folders() -> tuple[str, ...]:
    """Where the standard library of :func:`pitchey_core.process.interpreter` is."""
    return tuple(sorted({sys.base_prefix, sys.base_exec_prefix}))


def mode_for(layers: frozenset[Layer]) -> str:
    """What the launcher itself does first, for sandboxes with these layers: see :mod:`pitchey_core.isolation.jail`."""
    mode = []
    if layers & {Layer.NAMESPACES, Layer.ROOT} and not _may_administer():
        if os.geteuid() == 0 and Layer.PRIVILEGES in layers:
            # As in many containers. Its own user namespace would be that of this host's root.
            mode.append("drop")
        mode.append("user")
    if Layer.NAMESPACES in layers:
        mode.append("pid")
    return "+".join(mode) or "none"


def _may_administer() -> bool:
    """Whether this process can make namespaces without one of users."""
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) & _CAP_SYS_ADMIN)
    return os.geteuid() == 0


def _above_streams(channel: socket.socket) -> socket.socket:
    """A copy that is none of the standard streams, in whose places it may lie where the owner has closed them."""
    return socket.socket(fileno=fcntl.fcntl(channel.fileno(), fcntl.F_DUPFD_CLOEXEC, 3))


class Launcher:
    """A running launcher.

    Args:
        layers: Those that it has to prepare for: where namespaces are off, it stays outside of them itself.
        groups: Folders of cgroups that it shall remove when we are gone.

    Raises:
        Refused: The host does not allow the namespaces.
    """

    def __init__(self, layers: frozenset[Layer], groups: Sequence[str]) -> None:
        self.mode = mode_for(layers)
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs, _above_streams(theirs) as passed:
                number = str(passed.fileno())
                self._process = subprocess.Popen(
                    [interpreter(), "-I", "-S", "-B", _JAIL, number, self.mode, *groups],
                    env={"LC_ALL": "C.UTF-8"},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(passed.fileno(),),
                    start_new_session=True,
                )
            self._channel.settimeout(_START_SECONDS)
            received = receive(self._channel)
            self._channel.settimeout(None)
        except OSError as error:
            self._channel.close()
            raise Refused("sandbox", f"its launcher cannot be started: {error.strerror or error}") from error
        if received is None or received[0]["kind"] != "hello":
            layer, reason = "sandbox", "its launcher ended at once"
            if received is not None:
                layer, reason = received[0]["layer"], received[0]["reason"]
            self.close()
            raise Refused(layer, reason)
        self.uid: int | None = received[0]["uid"]

    @property
    def contained(self) -> bool:
        """Whether a sandbox is a PID namespace, whose first process takes all others with it."""
        return "pid" in self.mode

    @property
    def alive(self) -> bool:
        """Whether both of its processes are; the channel ends with the inner one, before any sandbox does."""
        ended = select.poll()
        ended.register(self._channel, 0)
        return self._process.poll() is None and not ended.poll(0)

    @property
    def pid(self) -> int:
        return self._process.pid

    def prepare(self, wanted: Wanted, group: Group | None, host_folder: Path | None) -> Prepared:
        """Ask for a sandbox; it comes into being while the caller does something else.

        Raises:
            Refused: The launcher is dead.
            OSError: The group is gone, or there are too many open files.
        """
        order = {
            "layers": sorted(wanted.layers),
            "required": sorted(wanted.required),
            "read_only": wanted.read_only,
            "size": wanted.size,
            "inodes": wanted.inodes,
            "warm": wanted.warm,
            "watched": group is None and Layer.CGROUP in wanted.layers,
            "work": None if host_folder is None else str(host_folder),
        }
        owner = self.uid if Layer.PRIVILEGES in wanted.layers else None
        with contextlib.ExitStack() as handed_over:
            joins = [] if group is None else handed_over.enter_context(group.join_files())
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            handed_over.enter_context(theirs)
            try:
                send(self._channel, order, [theirs.fileno(), *joins])
            except OSError as error:
                ours.close()
                raise Refused("sandbox", f"its launcher is gone: {error.strerror}") from error
        return Prepared(wanted, ours, group, owner, host_folder)

    def forget(self) -> None:
        """In a fork of its owner: it is not ours, neither to talk to nor to wait for."""
        self._channel.close()
        self._process.returncode = 0

    def close(self) -> None:
        """End it and everything below it."""
        self._channel.close()
        if not self.contained:
            kill_tree(self._process.pid, deadline_seconds=_END_SECONDS)
        end = time.monotonic() + _END_SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        if self._process.poll() is None:
            kill_tree(self._process.pid, deadline_seconds=_END_SECONDS)
            self._process.wait()
