"""Runs untrusted programs, one at a time, each in a new sandbox."""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from weakref import WeakSet

from pitchey_core.errors import Cancelled, InputError
from pitchey_core.isolation.attend import SLOWEST_SAMPLE, Attendance, Stream
from pitchey_core.isolation.cgroups import INIT, Groups, is_gone
from pitchey_core.isolation.collect import Collected, check_name, encodable, put_files
from pitchey_core.isolation.ending import conclude, remove_folder, sandbox_error
from pitchey_core.isolation.jail.channel import MOST_BYTES, send
from pitchey_core.isolation.jail.root import HOME, TEMPORARY
from pitchey_core.isolation.pipes import Pipes
from pitchey_core.isolation.policy import Layer, SandboxPolicy
from pitchey_core.isolation.program import Program
from pitchey_core.isolation.report import SandboxReport
from pitchey_core.isolation.starting import Launcher, Prepared, Refused, Wanted, library_folders, mode_for
from pitchey_core.isolation.watch import GroupWatch, NoWatch, TreeWatch, Watch, pid_of
from pitchey_core.process import kill_tree

__all__ = ["Sandbox"]

_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_SPARE_BYTES: Final = 1024
"""Of a message: what is in it beside arguments and environment."""


class Sandbox:
    """Owns the process that builds sandboxes. Nothing of a program outlives its run, and nothing outlives this.

    While one program runs, the next sandbox is built already, so the next start is fast if it wants the same. Each is
    used once.

    Args:
        cgroups: Use control groups where this process may make some. Without them the tree is summed by sampling.
    """

    def __init__(self, *, cgroups: bool = True) -> None:
        self._use_groups = cgroups
        self._groups: Groups | None = None
        self._launcher: Launcher | None = None
        self._next: Prepared | None = None
        self._ending: list[Prepared] = []
        # For one at a time; whoever calls from several threads waits.
        self._lock = threading.Lock()
        _all.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the launcher and all that it started. The next :meth:`run` starts another."""
        with self._lock:
            self._end_launcher()

    def forget(self) -> None:
        """Let go of what belongs to the process that this one was forked from, and leave it as it is."""
        if self._next is not None:
            self._next.close()
        if self._launcher is not None:
            self._launcher.forget()
        self._next = self._launcher = self._groups = None
        self._ending = []
        self._lock = threading.Lock()

    def run(
        self,
        program: Program,
        policy: SandboxPolicy,
        *,
        stdin: bytes = b"",
        files: Mapping[str, bytes] | None = None,
        outputs: Sequence[str] = (),
        collect: Path | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> SandboxReport:
        """Run one program to its end, and return when all that it started is dead.

        Args:
            stdin: What it reads from standard input.
            files: Relative names, ``/`` between parts, and contents: what its working folder holds at the start.
            outputs: Patterns of files to collect: ``fnmatch`` by part, ``**`` for any number of parts.
            collect: An existing folder for the copies; without one nothing is collected.
            cancelled: Asked every 100 ms; once true, the program is killed.

        Returns:
            What came of it. A wall that is required and cannot be built is the verdict ``sandbox-error``; then not one
            instruction of the program has run.

        Raises:
            Cancelled: ``cancelled()`` was true.
            InputError: A name in ``files`` is not allowed, they do not fit, or the arguments are too long.
        """
        _check(program, policy, files or {})
        with self._lock:
            for again in (True, False):
                try:
                    return self._run_once(program, policy, stdin, files or {}, outputs, collect, cancelled)
                except Refused as refused:
                    reason = refused
                    # Something may have killed the one that waited, or its launcher. Nothing of the program has run, or
                    # nothing that it did is left.
                    died = self._launcher is None or not self._launcher.alive or refused.layer == "sandbox"
                    self._end_launcher()
                    if not (again and died):
                        break
            return sandbox_error(reason.layer, reason.reason, policy)

    def _run_once(
        self,
        program: Program,
        policy: SandboxPolicy,
        stdin: bytes,
        files: Mapping[str, bytes],
        outputs: Sequence[str],
        collect: Path | None,
        cancelled: Callable[[], bool] | None,
    ) -> SandboxReport:
        prepared = self._take(_wanted(program, policy))
        try:
            put_files(prepared.work, files, prepared.owner)
            try:
                if prepared.group is not None:
                    prepared.group.arm(policy)
            except OSError as error:
                if is_gone(error):
                    raise Refused("sandbox", f"its cgroup is gone: {error.strerror}") from error
                return sandbox_error(Layer.CGROUP, error.strerror or str(error), policy)
            attendance, watch = self._attend(prepared, program, policy, stdin, cancelled)
            if attendance.cancelled:
                raise Cancelled("the sandboxed program was stopped because its job was cancelled")
            if attendance.died_early:
                raise Refused("sandbox", "it died before the program started")
            if attendance.died_alone and self._launcher is not None and not self._launcher.alive:
                raise Refused("sandbox", "its launcher was killed")
            collected = Collected(policy)
            if collect is not None and outputs:
                collected.copy(prepared.work, outputs, collect)
            return conclude(policy, attendance, watch, self._limits(policy), collected)
        finally:
            self._dispose(prepared)

    # -- sandboxes ----------------------------------------------------------------------------------------------

    def _take(self, wanted: Wanted) -> Prepared:
        """A sandbox that is ready: the one built ahead, if it is of this kind and still there."""
        self._bury()
        prepared, self._next = self._next, None
        if prepared is not None and prepared.wanted != wanted:
            self._dispose(prepared)
            prepared = None
        if prepared is None:
            prepared = self._prepare(wanted)
        try:
            prepared.wait_ready()
        except Refused:
            self._dispose(prepared)
            raise
        return prepared

    def _prepare(self, wanted: Wanted) -> Prepared:
        launcher = self._launcher
        if launcher is not None and launcher.mode != mode_for(wanted.layers):
            self._end_launcher()
            launcher = None
        if launcher is None:
            if self._groups is None:
                self._groups = Groups(allowed=self._use_groups)
            launcher = self._launcher = Launcher(wanted.layers, self._groups.folders)
        folder = None
        if Layer.ROOT not in wanted.layers:
            folder = Path(tempfile.mkdtemp(prefix=f"pitchey-sandbox-{os.getpid()}-"))
            if launcher.uid is not None and Layer.PRIVILEGES in wanted.layers:
                os.chown(folder, launcher.uid, launcher.uid)
        group = None
        try:
            if Layer.CGROUP in wanted.layers and self._groups is not None:
                group = self._groups.take()
            return launcher.prepare(wanted, group, folder)
        except (OSError, Refused) as error:
            if group is not None:
                group.remove()
            if folder is not None:
                remove_folder(folder)
            if isinstance(error, Refused):
                raise
            raise Refused("sandbox", f"its cgroup is gone: {error.strerror}") from error

    def _dispose(self, prepared: Prepared) -> None:
        """Leave nothing of a sandbox, however far it came."""
        self._kill(prepared)
        prepared.let_go()
        self._ending.append(prepared)
        if self._launcher is None or not self._launcher.contained:
            self._bury()

    def _bury(self) -> None:
        """Wait for the first processes of finished sandboxes: ours, alone by now, and mostly gone already."""
        while self._ending:
            self._bury_one(self._ending.pop())

    def _bury_one(self, prepared: Prepared) -> None:
        prepared.wait_dead()
        prepared.close()
        if prepared.host_folder is not None:
            remove_folder(prepared.host_folder)
        if prepared.group is not None and self._groups is not None:
            self._groups.give_back(prepared.group)

    def _kill(self, prepared: Prepared) -> None:
        if self._launcher is not None and not self._launcher.contained and prepared.handle >= 0:
            pid = pid_of(prepared.handle)
            if pid > 0:
                kill_tree(pid)
        prepared.kill()

    @property
    def warm_launcher(self) -> int | None:
        """PID of the launcher, if it waits for the next program and whatever it starts is held by namespaces."""
        launcher = self._launcher
        return launcher.pid if launcher is not None and launcher.alive and launcher.contained else None

    def _end_launcher(self) -> None:
        prepared, self._next = self._next, None
        if prepared is not None:
            self._dispose(prepared)
        self._bury()
        if self._launcher is not None:
            self._launcher.close()
            self._launcher = None
        if self._groups is not None:
            # The launcher has removed them at its end, and what it could not is for us.
            self._groups.close()
            self._groups = None

    # -- one run ------------------------------------------------------------------------------------------------

    def _attend(
        self,
        prepared: Prepared,
        program: Program,
        policy: SandboxPolicy,
        stdin: bytes,
        cancelled: Callable[[], bool] | None,
    ) -> tuple[Attendance, Watch]:
        """Start the program, and return when all of it is dead."""
        watch = self._watch(prepared, policy)
        with Pipes() as pipes:
            out, out_far = pipes.make()
            err, err_far = pipes.make()
            far = [out_far, err_far]
            feed: tuple[int, bytes] | None = None
            if stdin:
                in_far, feeding = pipes.make()
                far.insert(0, in_far)
                feed = feeding, stdin
            try:
                send(prepared.channel, _job(program, policy, prepared, has_input=bool(stdin)), far)
            except OSError as error:
                raise Refused("sandbox", f"it died before the program started: {error.strerror}") from error
            pipes.close(far)
            attendance = Attendance(
                prepared.channel,
                prepared.handle,
                policy,
                watch,
                lambda: self._kill(prepared),
                (Stream(out, policy.stdout_bytes), Stream(err, policy.stderr_bytes)),
                feed,
            )
            if feed is not None:
                pipes.hand_over(feed[0])
            if self._launcher is not None and self._launcher.contained:
                with contextlib.suppress(Refused):
                    self._next = self._prepare(prepared.wanted)
            attendance.wait(cancelled)
            if "ended" not in attendance.messages or self._launcher is None or not self._launcher.contained:
                self._kill(prepared)
                prepared.wait_dead()
            attendance.drain()
        attendance.reason = attendance.reason or watch.sample()
        return attendance, watch

    def _watch(self, prepared: Prepared, policy: SandboxPolicy) -> Watch:
        if Layer.CGROUP not in policy.layers:
            return NoWatch()
        if prepared.group is not None:
            return GroupWatch(prepared.group, policy)
        work = prepared.work if Layer.ROOT in policy.layers else None
        return TreeWatch(pid_of(prepared.handle), work, policy)

    def _limits(self, policy: SandboxPolicy) -> dict[str, str]:
        """Who counts what."""
        names = ("memory", "cpu", "processes", "vcpus")
        if Layer.CGROUP not in policy.layers or self._groups is None:
            return dict.fromkeys(("cgroup", *names), "off")
        groups = self._groups
        sampled = f"supervised: the tree is summed every {SLOWEST_SAMPLE * 1000:.0f} ms"
        found = {name: groups.enforced.get(name, sampled) for name in names}
        if "memory" not in groups.enforced:
            found["cgroup"] = f"{sampled} ({groups.why_not})"
        else:
            found["cgroup"] = groups.enforced["memory"]
        if "processes" not in groups.enforced:
            rlimit = Layer.RLIMITS in policy.layers and Layer.PRIVILEGES in policy.layers
            found["processes"] = "rlimit" if rlimit else "not enforced: no cgroup"
        if policy.vcpus is None:
            found["vcpus"] = "no limit"
        elif "vcpus" not in groups.enforced:
            found["vcpus"] = "not enforced: no cgroup"
        return found


_all: Final[WeakSet[Sandbox]] = WeakSet()


def _forget_all() -> None:
    for each in list(_all):
        each.forget()


# A fork that kept our end of the channel would keep the launcher alive when its owner is killed.
os.register_at_fork(after_in_child=_forget_all)


def _wanted(program: Program, policy: SandboxPolicy) -> Wanted:
    folders = [os.path.abspath(each) for each in program.read_only]  # noqa: PTH100 - keeps links as they are named
    if program.warm_python:
        folders += library_folders()
    return Wanted(
        policy.layers,
        policy.required,
        tuple(dict.fromkeys(each for each in folders if not each.startswith("/usr/"))),
        policy.tmp_bytes,
        policy.tmp_inodes,
        program.warm_python,
    )


def _job(program: Program, policy: SandboxPolicy, prepared: Prepared, *, has_input: bool) -> dict[str, Any]:
    home, temporary = HOME, TEMPORARY
    if prepared.host_folder is not None:
        home = temporary = str(prepared.host_folder)
    environment = {"PATH": _PATH, "HOME": home, "TMPDIR": temporary, "LANG": "C.UTF-8", **program.env}
    rlimits = {"file_bytes": policy.file_bytes}
    if policy.cpu_seconds is not None:
        rlimits["cpu_seconds"] = math.ceil(policy.cpu_seconds) + 1
    if policy.address_space_bytes is not None:
        rlimits["address_space_bytes"] = policy.address_space_bytes
    if Layer.NAMESPACES in policy.layers or prepared.owner is not None:
        # Of a user that only this sandbox has; otherwise all that the user runs would count.
        rlimits["processes"] = policy.processes + INIT
    return {
        "argv": list(program.argv),
        "env": environment,
        "has_input": has_input,
        "rlimits": rlimits,
    }


def _check(program: Program, policy: SandboxPolicy, files: Mapping[str, bytes]) -> None:
    """What would fail later, and with fewer words.

    Raises:
        InputError: See :meth:`Sandbox.run`.
    """
    words = [*program.argv, *program.env, *program.env.values()]
    if not program.argv or any("\0" in word for word in words):
        raise InputError("a program needs a name, and no argument may hold a NUL")
    if not all(map(encodable, words)):
        raise InputError("an argument or a variable of the program holds half of a surrogate pair")
    if len(json.dumps(words)) > MOST_BYTES - _SPARE_BYTES:
        raise InputError(
            "the arguments and variables of the program are too long together",
            remedy="pass what is long as a file, or on standard input",
        )
    for name in files:
        check_name(name)
    if sum(map(len, files.values())) > policy.tmp_bytes:
        raise InputError(
            f"the files for the sandbox are more than its {policy.tmp_bytes} bytes",
            remedy="raise tmp_bytes, or give it smaller files",
        )
