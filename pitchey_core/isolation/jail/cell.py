"""The two processes of one sandbox: its init, and the one that becomes the program.

Init is the first process of the PID namespace, so all others die with it. It waits for the program, kills what that
left behind, tells the status that the kernel gave it, and exits. Both are forked ahead of time: when a job comes, all
walls stand already around the process that will run it. Init builds them around itself, but for the filter of system
calls, and forks the program when it is behind them: what is done once is paid for once.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from pitchey_core.isolation.jail import warm
from pitchey_core.isolation.jail.channel import receive, send
from pitchey_core.isolation.jail.kernel import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUTS,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    Filter,
    close_all_but,
    default_signal,
    prctl,
    set_hostname,
    setns,
    unmount,
    unshare,
)
from pitchey_core.isolation.jail.limits import set_limits
from pitchey_core.isolation.jail.privileges import (
    NOBODY,
    become,
    enter_user_namespace,
    forbid_namespaces,
    give_up,
)
from pitchey_core.isolation.jail.root import HOME, mount_own, mount_proc
from pitchey_core.isolation.jail.walls import WallMissing, Walls
from pitchey_core.process.landlock import DEVICE, OWN, READ, SYSTEM, restrict, ruleset

__all__ = ["Cell"]

_SETUP_FAILED: Final = 125
_ETC: Final = ("/etc",)
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class Cell:
    """One sandbox before, during and after its only run. Lives in a fork of the launcher.

    Args:
        order: ``layers``, ``required``, ``read_only``, ``size``, ``inodes``, ``warm``, ``watched`` (by a supervisor
            that sums sizes), ``work`` (without a root of its own, the host's folder to work in), ``uid`` (the user of
            the host to become, or ``None``), ``user`` (who that is, or who it is already).
        channel: To the owner.
        proc: Descriptor of the host's ``/proc``.
        template: Of the root's mount namespace, or ``None``.
        groups: The ``cgroup.procs`` files to join.
        filter_: Of system calls.
    """

    def __init__(
        self,
        order: dict[str, Any],
        channel: socket.socket,
        *,
        proc: int,
        template: int | None,
        groups: Sequence[int],
        filter_: Filter,
    ) -> None:
        self._order = order
        self._channel = channel
        self._proc = proc
        self._template = template
        self._groups = groups
        self._filter = filter_
        self._walls = Walls(order["layers"], order["required"])
        self._rules: int | None = None
        self._first = os.getpid() == 1

    def serve(self) -> NoReturn:
        """Be init. Never returns."""
        try:
            self._prepare()
            self._shut()
            program = os.fork()
            if program == 0:
                self._become_program()
            self._let_go()
            self._wait(program)
        except WallMissing as missing:
            self._tell_missing(missing)
        except BaseException as error:  # noqa: BLE001 - the last stop; whoever waits is told
            self._tell_missing(WallMissing("sandbox", f"{type(error).__name__}: {error}"))
        finally:
            os._exit(_SETUP_FAILED)

    # -- init ---------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        default_signal(signal.SIGCHLD)
        default_signal(signal.SIGINT)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if not self._first:
            prctl(PR_SET_CHILD_SUBREAPER, 1)
        for each in self._groups:
            os.write(each, b"0")
            os.close(each)
        if self._template is not None:
            self._walls.build("root", self._enter_root)
        self._walls.build("namespaces", self._leave_namespaces)
        folder = HOME if self._template is not None else self._order["work"]
        self._walls.build("root", self._furnish)
        os.chdir(folder)
        self._walls.build("landlock", self._draw_rules)

    def _enter_root(self) -> str:
        assert self._template is not None
        setns(self._template, CLONE_NEWNS)
        os.close(self._template)
        unshare(CLONE_NEWNS)
        return "entered"

    def _leave_namespaces(self) -> str:
        unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)
        set_hostname(b"sandbox")
        return "PID, network, IPC, UTS, cgroup"

    def _furnish(self) -> str:
        owner = self._order["uid"]
        mount_own(self._order["size"], self._order["inodes"], 0 if owner is None else owner)
        if self._order["watched"]:
            # To map it makes memory that nobody but a cgroup can count.
            unmount("/dev/zero")
        kept = self._order["keep_proc"]
        words = mount_proc(kept=kept, wanted=self._first)
        return f"mount namespace, read-only root, {words}"

    def _draw_rules(self) -> str:
        rooted = self._template is not None
        own = ("/job",) if rooted else (self._order["work"],)
        rules = [(each, OWN) for each in own]
        rules += [(each, READ) for each in (*SYSTEM, *self._order["read_only"], *(_ETC if rooted else ()))]
        rules += [(each, DEVICE) for each in _DEVICES]
        self._rules = ruleset(rules, alone=True)
        return "Landlock"

    def _shut(self) -> None:
        """Build the walls that nobody can stand outside of, in the one order in which each is possible."""
        close_all_but(self._channel.fileno(), self._proc, *(() if self._rules is None else (self._rules,)))
        walls = self._walls
        walls.build("privileges", self._drop_user)
        if walls.wanted("landlock") or walls.wanted("seccomp"):
            prctl(PR_SET_NO_NEW_PRIVS, 1)
        walls.build("landlock", self._restrict)
        walls.build("privileges", self._drop_capabilities)
        os.close(self._proc)
        # The change of user has cleared it.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def _let_go(self) -> None:
        """Keep nothing that the program could want: as its user, init is within reach of what it may signal."""
        for stream in range(3):
            os.close(stream)

    def _wait(self, program: int) -> NoReturn:
        status = -1
        while status < 0:
            pid, code = os.waitpid(-1, 0)
            if pid == program:
                status = code
        if self._first:
            self._end_all()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = int((used.ru_utime + used.ru_stime) * 1_000_000)
        send(self._channel, {"kind": "ended", "status": status, "cpu_us": cpu})
        if not self._first:
            # Not the first of its namespace: whoever it left is our child now, and the owner kills us all.
            signal.pause()
        os._exit(0)

    @staticmethod
    def _end_all() -> None:
        try:
            while True:
                os.kill(-1, signal.SIGKILL)
                os.waitpid(-1, 0)
        except (ChildProcessError, ProcessLookupError):
            pass
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            return

    # -- the program --------------------------------------------------------------------------------------------

    def _become_program(self) -> NoReturn:
        try:
            os.setsid()
            if not self._first:
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if self._order["watched"]:
                # Its size is read from outside, and only init has anything to hide; after an exec it is so anyway.
                prctl(PR_SET_DUMPABLE, 1)
            self._walls.build("seccomp", self._filter_calls)
            work = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            send(self._channel, {"kind": "ready"}, [work])
            os.close(work)
            received = receive(self._channel)
            if received is None:
                os._exit(_SETUP_FAILED)
            self._start(*received)
        except WallMissing as missing:
            self._tell_missing(missing)
        except OSError as error:
            words = ": ".join(filter(None, (error.filename, error.strerror or str(error))))
            self._tell_missing(WallMissing("start", words))
        except BaseException as error:  # noqa: BLE001 - as in `serve`
            self._tell_missing(WallMissing("start", f"{type(error).__name__}: {error}"))
        finally:
            os._exit(_SETUP_FAILED)

    def _start(self, job: dict[str, Any], streams: list[int]) -> NoReturn:
        """Nothing but the job's own limits and streams is missing now."""
        if not job["has_input"]:
            streams.insert(0, os.open("/dev/null", os.O_RDONLY))
        for number, each in enumerate(streams):
            os.dup2(each, number)
        close_all_but(self._channel.fileno())
        self._walls.build("rlimits", lambda: set_limits(job["rlimits"]))
        send(self._channel, {"kind": "go", "isolation": self._walls.report})
        if self._order["warm"]:
            self._channel.close()
            warm.run_as_main(job["argv"], job["env"])
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execve(job["argv"][0], job["argv"], job["env"])  # noqa: S606 - no shell, as everywhere

    def _drop_user(self) -> str:
        uid = self._order["uid"]
        if uid is not None:
            become(uid)
        if self._walls.wanted("namespaces"):
            self._walls.build("namespaces", self._enter_user_namespace)
        return f"user {self._order['user']}"

    def _enter_user_namespace(self) -> str:
        enter_user_namespace(self._proc, NOBODY)
        forbid_namespaces(self._proc)
        return "user, " + self._walls.report["namespaces"]

    def _restrict(self) -> str:
        if self._rules is not None:
            restrict(self._rules)
            os.close(self._rules)
        return "Landlock: files, TCP, abstract sockets, signals"

    def _drop_capabilities(self) -> str:
        words = self._walls.report["privileges"]
        give_up()
        return f"{words}, no capabilities, no_new_privs"

    def _filter_calls(self) -> str:
        self._filter.install()
        return "seccomp filter, default-deny"

    def _tell_missing(self, missing: WallMissing) -> None:
        try:
            send(self._channel, {"kind": "missing", "layer": missing.layer, "reason": missing.reason})
        except OSError:
            return
