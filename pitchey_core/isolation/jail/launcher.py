"""The process that forks sandboxes. Started clean, with one descriptor: the channel to its owner.

There are two of it. The outer one enters a user namespace, where it has no rights without one, and forks the inner one
as the first process of a PID namespace, so the kernel kills everything below when that one dies, for whatever reason.
The inner one ends when its owner closes the channel, by intent or by dying; the outer one then removes the cgroups.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
from typing import Any, Final, NoReturn

from pitchey_core.isolation.jail import warm
from pitchey_core.isolation.jail.cell import Cell
from pitchey_core.isolation.jail.channel import receive, send
from pitchey_core.isolation.jail.kernel import (
    CLONE_NEWPID,
    MACHINE,
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    Filter,
    prctl,
    setns,
    unshare,
)
from pitchey_core.isolation.jail.privileges import enter_user_namespace, in_first_user_namespace, spare_uid
from pitchey_core.isolation.jail.root import build_root
from pitchey_core.isolation.jail.seccomp import assemble

__all__ = ["main"]

_PARENT_GONE: Final = 3


def main(arguments: list[str]) -> NoReturn:
    """``main([CHANNEL, MODE, GROUP…])``: a descriptor, what to do first, and the cgroups to remove at the end.

    MODE is ``none`` or some of ``drop`` (become a user without rights, for a root that has few), ``user`` and ``pid``
    (enter such a namespace), with ``+`` between them.
    """
    channel = socket.socket(fileno=int(arguments[0]))
    mode = arguments[1].split("+")
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    warm.preload()
    try:
        user = os.geteuid()
        spare = spare_uid(os.getpid()) if user == 0 else None
        if "drop" in mode:
            _drop(spare)
        if "user" in mode:
            enter_user_namespace(proc, 0)
        if "pid" in mode:
            unshare(CLONE_NEWPID)
    except OSError as error:
        send(channel, {"kind": "missing", "layer": "namespaces", "reason": error.strerror})
        os._exit(1)
    outer = os.getpid()
    inner = os.fork()
    if inner == 0:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() not in {outer, 0}:
            os._exit(_PARENT_GONE)
        launcher = _Launcher(channel, proc, spare, dropped="user" in mode, namespaces="pid" in mode)
        launcher.loop(user if spare is None else spare)
    channel.close()
    with contextlib.suppress(InterruptedError, ChildProcessError):
        # Left for others to reap: what ran below would count as CPU time of this process, and of its parent.
        os.waitid(os.P_PID, inner, os.WEXITED | os.WNOWAIT)
    for group in arguments[2:]:
        _remove_group(group)
    os._exit(0)


def _remove_group(folder: str) -> None:
    """Remove a cgroup and those in it, now that nobody is left in them."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                os.rmdir(entry.path)
        os.rmdir(folder)


def _drop(uid: int | None) -> None:
    if uid is None:
        raise OSError(errno.EPERM, "too few user IDs are mapped here to have one for the program")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    # The change of user has cleared it, and with it the access to our own entries in /proc.
    prctl(PR_SET_DUMPABLE, 1)


class _Launcher:
    """The inner one.

    Args:
        spare: A user of the host that nobody is; ``None`` where we have no right to become one.
        dropped: We are that user, or a plain one, already, and in a user namespace.
        namespaces: Whether sandboxes get PID namespaces.
    """

    def __init__(
        self, channel: socket.socket, proc: int, spare: int | None, *, dropped: bool, namespaces: bool
    ) -> None:
        self._channel = channel
        self._proc = proc
        self._owner = spare
        self._uid = None if dropped else spare
        self._keep_proc = not in_first_user_namespace()
        self._own_pids = (
            os.open("self/ns/pid", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc) if namespaces else None
        )
        self._templates: dict[tuple[str, ...], int] = {}
        self._filters = {shared: Filter(assemble(MACHINE, shared_memory=shared)) for shared in (True, False)}

    def loop(self, user: int) -> NoReturn:
        """Serve until the owner is gone; ``user`` is who programs are on the host."""
        # Ignored children leave no zombies, and need nobody to wait for them.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        prctl(PR_SET_DUMPABLE, 0)
        warm.forget_launcher()
        send(self._channel, {"kind": "hello", "uid": self._owner})
        while (received := receive(self._channel)) is not None:
            order, descriptors = received
            order["user"] = user
            channel = socket.socket(fileno=descriptors[0])
            try:
                self._fork_cell(order, channel, descriptors[1:])
            except OSError as error:
                reason = error.strerror or str(error)
                with contextlib.suppress(OSError):
                    send(channel, {"kind": "missing", "layer": "root", "reason": reason})
            finally:
                channel.close()
                for each in descriptors[1:]:
                    os.close(each)
        os._exit(0)

    def _fork_cell(self, order: dict[str, Any], channel: socket.socket, groups: list[int]) -> None:
        order["uid"] = self._uid if "privileges" in order["layers"] else None
        order["keep_proc"] = self._keep_proc
        template = self._template(tuple(order["read_only"])) if "root" in order["layers"] else None
        if self._own_pids is not None:
            # A second namespace can be asked for only from our own.
            setns(self._own_pids, CLONE_NEWPID)
            unshare(CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            self._become_cell(order, channel, template, groups)
        handle = os.pidfd_open(pid)
        send(channel, {"kind": "forked"}, [handle])
        os.close(handle)

    def _become_cell(
        self, order: dict[str, Any], channel: socket.socket, template: int | None, groups: list[int]
    ) -> NoReturn:
        Cell(
            order,
            channel,
            proc=self._proc,
            template=template,
            groups=groups,
            filter_=self._filters[not order["watched"]],
        ).serve()

    def _template(self, read_only: tuple[str, ...]) -> int:
        if read_only not in self._templates:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with ours, theirs:
                if self._own_pids is not None:
                    setns(self._own_pids, CLONE_NEWPID)
                if os.fork() == 0:
                    _make_template(read_only, theirs, self._proc, keep_proc=self._keep_proc)
                theirs.close()
                received = receive(ours)
            if received is None or not received[1]:
                reason = "its builder died" if received is None else received[0]["reason"]
                raise OSError(0, reason)
            self._templates[read_only] = received[1][0]
        return self._templates[read_only]


def _make_template(
    read_only: tuple[str, ...], answer: socket.socket, proc: int, *, keep_proc: bool
) -> NoReturn:
    try:
        build_root(read_only, keep_proc=keep_proc)
        namespace = os.open("self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
        send(answer, {"reason": ""}, [namespace])
    except OSError as error:
        send(answer, {"reason": " ".join(filter(None, (error.strerror, error.filename)))})
    finally:
        os._exit(0)
