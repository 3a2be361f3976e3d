"""How an external program is started: its command, its clean environment, and the launcher that limits it."""

from __future__ import annotations

import errno
import functools
import math
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from pitchey_core.errors import InputError, OutOfSpace, ToolMissing, TransientError
from pitchey_core.process.limits import ProcessLimits
from pitchey_core.process.tree import TAG_VARIABLE

__all__ = ["Argument", "Launch", "clean_environment", "interpreter", "spawn"]

Argument = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launcher.py")  # noqa: PTH100, PTH118, PTH120
_INHERITED = ("PATH", "HOME", "TMPDIR", "TZ", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_BUSY = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


@dataclass(slots=True)
class Launch:
    """A started program and our ends of its pipes, all non-blocking.

    Attributes:
        child: The program, or the launcher that becomes it. Its exit status is collected by ``wait4``
            elsewhere.
        tool: What to call it in messages.
        argv: What was asked for, printable.
        tag: Its value of :data:`~pitchey_core.process.tree.TAG_VARIABLE`.
        report: Where the launcher writes what it enforced; ``None`` without a launcher.
    """

    child: subprocess.Popen[bytes]
    tool: str
    argv: tuple[str, ...]
    tag: str
    report: int | None

    def read_report(self) -> dict[str, str]:
        """What the launcher wrote; complete once the program has ended."""
        if self.report is None:
            return {}
        try:
            data = os.read(self.report, 65536)
        except BlockingIOError:
            return {}
        lines = data.decode("utf-8", "replace").splitlines()
        return {name: words for name, _, words in (line.partition("=") for line in lines)}

    def close(self) -> None:
        """Close our ends of the pipes."""
        for pipe in (self.child.stdin, self.child.stdout, self.child.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        if self.report is not None:
            os.close(self.report)
            self.report = None


@functools.cache
def interpreter() -> str:
    """The Python executable itself; never a version manager's shim, which would cost 80 ms at each start."""
    for candidate in (getattr(sys, "_base_executable", None), sys.executable, "/usr/bin/python3"):
        if not candidate:
            continue
        path = os.path.realpath(candidate)
        try:
            with open(path, "rb") as file:
                if file.read(4) == b"\x7fELF":
                    return path
        except OSError:
            continue
    return sys.executable


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables of a program: of ours only ``PATH``, ``HOME``, ``TMPDIR``, ``TZ``, and which accelerators may be seen.

    The locale is a UTF-8 one.

    A new tag, nested below ours, comes first, where a search for it finds it soonest.

    Raises:
        InputError: A name or value in ``extra`` cannot be a variable.
    """
    ours = os.environ.get(TAG_VARIABLE)
    token = os.urandom(6).hex()
    environment = {TAG_VARIABLE: f"{ours}/{token}" if ours else f"run-{token}"}
    environment["PATH"] = _DEFAULT_PATH
    environment.update((name, os.environ[name]) for name in _INHERITED if name in os.environ)
    environment["LANG"] = environment["LC_ALL"] = "C.UTF-8"
    for name, value in (extra or {}).items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise InputError(f"{name!r} cannot be an environment variable with the value {value!r}")
        if name != TAG_VARIABLE:
            environment[name] = value
    return environment


def _runnable(path: str) -> bool:
    return os.access(path, os.X_OK) and os.path.isfile(path)  # noqa: PTH113


def _resolve(program: bytes, cwd: str | None, environment: Mapping[str, str], tool: str) -> str:
    name = os.fsdecode(program)
    if "/" in name:
        path = os.path.join(cwd, name) if cwd else name  # noqa: PTH118 - keeps "./" and bytes that are no text
        if _runnable(path):
            return os.path.abspath(path)  # noqa: PTH100
        reason = "is not an executable file" if os.path.exists(path) else "does not exist"  # noqa: PTH110
        raise ToolMissing(
            f"{tool}: {path!r} {reason}", remedy="pitchey-run doctor shows where each tool is searched"
        )
    for folder in environment["PATH"].split(os.pathsep):
        path = os.path.join(os.path.abspath(folder), name)  # noqa: PTH100, PTH118
        if _runnable(path):
            return path
    raise ToolMissing(
        f"{tool}: no program {name!r} on PATH", remedy="pitchey-run doctor shows how to install each tool"
    )


def _settings(limits: ProcessLimits) -> dict[str, int]:
    """What only a process itself can set, as integers for the launcher."""
    wanted: dict[str, int | None] = {
        "cpu": None if limits.cpu_seconds is None else max(1, math.ceil(limits.cpu_seconds)),
        "address_space": limits.address_space_bytes,
        "file": limits.file_bytes,
        "open_files": limits.open_files,
        "folders": None if limits.folders is None else len(limits.folders),
        "network": None if limits.network else 0,
        "niceness": limits.niceness or None,
    }
    if limits.wall_seconds is not None or limits.memory_bytes is not None or limits.processes is not None:
        # Watched from here; but then the program must not outlive us either.
        wanted["watched"] = 1
    settings = {name: value for name, value in wanted.items() if value is not None}
    # The kernel sends the signal when the *thread* that forked ends, so a pool's thread must not ask for it.
    if settings and threading.current_thread() is threading.main_thread():
        settings["parent"] = os.getpid()
    return settings


def _folders(limits: ProcessLimits, tool: str) -> list[str]:
    found = [os.path.abspath(each) for each in limits.folders or ()]  # noqa: PTH100
    for each in found:
        if not os.path.isdir(each):  # noqa: PTH112
            raise InputError(f"{tool}: {each!r}, where alone it may read and write, is not a folder")
    return found


def spawn(
    argv: Sequence[Argument],
    *,
    tool: str | None,
    cwd: str | None,
    env: Mapping[str, str] | None,
    stdin: int | IO[bytes],
    stdout: int | IO[bytes],
    limits: ProcessLimits,
) -> Launch:
    """Start a program in its own session.

    Raises:
        InputError: An argument holds a NUL or all are too long together; the working folder or one of
            ``limits.folders`` does not exist.
        ToolMissing: The program does not exist or cannot run on this host.
        TransientError: The host is out of processes, memory or descriptors.
    """
    words = [os.fsencode(word) for word in argv]
    if not words or any(b"\0" in word for word in words):
        raise InputError("a command needs at least its program, and no argument may hold a NUL byte")
    printable = tuple(word.decode("utf-8", "backslashreplace") for word in words)
    name = tool or os.path.basename(printable[0])  # noqa: PTH119
    if cwd is not None and not os.path.isdir(cwd):  # noqa: PTH112
        raise InputError(f"{name}: the working folder {cwd!r} does not exist")
    environment = clean_environment(env)
    program = _resolve(words[0], cwd, environment, name)
    folders = _folders(limits, name)
    settings = _settings(limits)
    report, report_child = os.pipe() if settings else (None, None)
    command: list[bytes | str] = list(words)
    executable = program
    if report_child is not None:
        settings["report"] = report_child
        executable = interpreter()
        packed = ",".join(f"{key}={value}" for key, value in settings.items())
        command = [executable, "-I", "-S", "-X", "utf8", _LAUNCHER, packed, *folders, program, *words]
    try:
        child = subprocess.Popen(
            command,
            executable=executable,
            cwd=cwd,
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            pass_fds=(report_child,) if report_child is not None else (),
        )
    except OSError as error:
        if report is not None:
            os.close(report)
        raise start_error(error.errno, name, program) from error
    finally:
        if report_child is not None:
            os.close(report_child)
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
    if report is not None:
        os.set_blocking(report, False)
    return Launch(child, name, printable, environment[TAG_VARIABLE], report)


def start_error(number: int | None, tool: str, program: str) -> Exception:
    """The error for a program that the kernel refused to start."""
    reason = os.strerror(number or 0)
    if number == errno.E2BIG:
        return InputError(f"{tool}: the arguments are too long together", remedy="pass fewer files at a time")
    if number == errno.ENOSPC:
        return OutOfSpace(f"{tool} cannot be started: {reason}")
    if number in _BUSY:
        return TransientError(f"{tool} cannot be started now: {reason}")
    return ToolMissing(
        f"{tool}: {program} cannot be started: {reason}",
        remedy="install a build of it for this host; pitchey-run doctor shows how",
    )
