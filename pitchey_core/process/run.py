"""The one function that runs an external program from start to a verified end."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING

from pitchey_core.errors import InputError, OutOfSpace, UsageError
from pitchey_core.process.ending import Ending
from pitchey_core.process.launch import Argument, spawn, start_error
from pitchey_core.process.limits import Completed, ProcessLimits
from pitchey_core.process.pipes import Kept, Lines
from pitchey_core.process.pump import Pump
from pitchey_core.process.standstill import Standstill
from pitchey_core.process.verdict import limit_error, verdict
from pitchey_core.process.watch import TreeWatch

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]

_CANCEL_POLL_SECONDS = 0.1
# A program that eats memory gets none: in 0.2 s it could take the host down.
_GRACE_SECONDS = {"cancelled": 2.0, "memory": 0.0, "processes": 0.0}
_LIMIT_GRACE_SECONDS = 0.2
_NO_LIMITS = ProcessLimits()


def run(
    argv: Sequence[Argument],
    *,
    tool: str | None = None,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | Path | None = None,
    stdout: Path | None = None,
    on_stdout: Callable[[str], None] | None = None,
    on_stderr: Callable[[str], None] | None = None,
    limits: ProcessLimits = _NO_LIMITS,
    cancelled: Callable[[], bool] | None = None,
    check: bool = True,
    tail_bytes: int = 64 * 1024,
) -> Completed:
    """Run an external program and return when it and everything it started is gone.

    There is no shell. Both pipes are read all the time, so neither the program nor the memory of this process
    can fill up. The environment holds ``PATH``, ``HOME``, ``TMPDIR``, ``TZ``, a UTF-8 locale, a tag, and
    ``env``.

    Args:
        argv: The program and its arguments. A name without a slash is searched on ``PATH``.
        tool: Its name in the tools table, for messages; default: the file name of the program.
        cwd: Its working folder.
        env: Further environment variables.
        stdin: Bytes or a file to read from; default: nothing.
        stdout: A file that receives its standard output; default: the end of it is kept.
        on_stdout: Called in this thread with each complete line of stdout, as for ``ffmpeg -progress
            pipe:1``.
        on_stderr: The same for stderr.
        limits: What it may use.
        cancelled: Asked every 100 ms; once true, the program gets SIGTERM and two seconds to end by itself.
        check: Raise :class:`ToolFailed` unless the exit status is 0.
        tail_bytes: How much of the end of stdout and stderr is kept, in bytes.

    Returns:
        How it ended and what it used.

    Raises:
        ToolFailed: The exit status is not 0.
        LimitExceeded: ``limit`` is ``wall``, ``cpu``, ``memory``, ``processes`` or ``output``.
        Cancelled: ``cancelled()`` was true.
        ToolMissing: The program does not exist or cannot run here.
        OutOfSpace: A disk is full.
        InputError: An argument holds a NUL byte; ``cwd`` or ``stdin`` does not exist.
        TransientError: The host is out of processes or descriptors.
    """
    if stdout is not None and on_stdout is not None:
        raise UsageError("stdout can go to a file or to a function, not to both")
    if cancelled is not None and cancelled():
        raise limit_error("cancelled", tool or os.fsdecode(argv[0]), limits)
    head = limits.stdout_bytes is not None
    kept_out = Kept(limits.stdout_bytes if limits.stdout_bytes is not None else tail_bytes, head=head)
    kept_err = Kept(tail_bytes)
    lines = [Lines(callback) if callback is not None else None for callback in (on_stdout, on_stderr)]
    started = time.monotonic()
    with contextlib.ExitStack() as files:
        launch = spawn(
            argv,
            tool=tool,
            cwd=None if cwd is None else os.fspath(cwd),
            env=env,
            stdin=subprocess.PIPE if isinstance(stdin, bytes) else _open(stdin, "rb", files),
            stdout=subprocess.PIPE if stdout is None else _open(stdout, "wb", files),
            limits=limits,
        )
    with contextlib.ExitStack() as running:
        running.callback(launch.close)
        watch = TreeWatch(launch.child.pid, limits)
        ending = Ending(launch, watch)
        # Whatever happens below, an interrupt included, the tree is dead before anybody hears of it.
        running.callback(ending.abandon)
        sinks = [
            [kept.feed, each.feed] if each is not None else [kept.feed]
            for kept, each in zip((kept_out, kept_err), lines, strict=True)
        ]
        pump = Pump(launch, stdin if isinstance(stdin, bytes) else b"", *sinks)
        running.callback(pump.close)
        reason = _attend(pump, ending, watch, limits, cancelled, started)
        wall_seconds = time.monotonic() - started
        survivors = ending.kill()
        pump.drain()
        for each in lines:
            if each is not None:
                each.close()
        returncode, cpu_seconds = ending.collect()
        report = launch.read_report()
    if "exec" in report:
        raise start_error(int(report["exec"]), launch.tool, launch.argv[0])
    completed = Completed(
        argv=launch.argv,
        returncode=returncode,
        stdout=kept_out.value(),
        stderr=kept_err.value(),
        stdout_truncated=kept_out.truncated,
        stderr_truncated=kept_err.truncated,
        wall_seconds=wall_seconds,
        cpu_seconds=cpu_seconds,
        peak_memory_bytes=watch.peak_bytes,
        isolation=_isolation(limits, report, survivors),
    )
    error = verdict(completed, tool=launch.tool, limits=limits, check=check)
    if reason is not None:
        error = limit_error(reason, launch.tool, limits)
    if error is not None:
        raise error
    return completed


def _open(path: Path | None, mode: str, files: contextlib.ExitStack) -> int | IO[bytes]:
    if path is None:
        return subprocess.DEVNULL
    try:
        return files.enter_context(open(path, mode))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OutOfSpace(f"no space left on the disk for {path}", remedy="free some space") from error
        raise InputError(f"{str(path)!r} cannot be opened: {error.strerror}") from error


def _attend(
    pump: Pump,
    ending: Ending,
    watch: TreeWatch,
    limits: ProcessLimits,
    cancelled: Callable[[], bool] | None,
    started: float,
) -> str | None:
    """Wait for the program's exit, or ask it to end and wait for the grace period.

    Returns:
        Why it had to end: the name of a limit, or ``cancelled``; ``None`` when it ended by itself.
    """
    reason: str | None = None
    wall_at = math.inf if limits.wall_seconds is None else started + limits.wall_seconds
    ask_at = math.inf if cancelled is None else started
    kill_at = math.inf
    standstill = Standstill()
    while not pump.wait(due := min(watch.next_at, wall_at, ask_at, kill_at) - time.monotonic()):
        # A paused job's programs stood still as we did: their time did not run.
        wall_at += standstill.lasted(due)
        now = time.monotonic()
        if now >= kill_at:
            break
        exceeded = watch.sample() if now >= watch.next_at else None
        if reason is not None:
            continue
        if now >= ask_at:
            ask_at = now + _CANCEL_POLL_SECONDS
            if cancelled is not None and cancelled():
                reason = "cancelled"
        if now >= wall_at:
            reason = "wall"
        reason = exceeded or reason
        if reason is not None:
            wall_at = ask_at = math.inf
            kill_at = now + _GRACE_SECONDS.get(reason, _LIMIT_GRACE_SECONDS)
            ending.terminate()
    return reason


def _isolation(limits: ProcessLimits, report: Mapping[str, str], survivors: Sequence[int]) -> dict[str, str]:
    isolation = dict(report)
    wanted = {
        "wall": (limits.wall_seconds, "watched"),
        "memory": (limits.memory_bytes, "sampled every 50 ms"),
        "processes": (limits.processes, "sampled every 50 ms"),
    }
    isolation.update({name: words for name, (limit, words) in wanted.items() if limit is not None})
    if survivors:
        isolation["survivors"] = "in the kernel, cannot be killed: " + ", ".join(map(str, survivors))
    return isolation
