"""From what was seen of a run to its report. Nothing here believes what the program says of itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pitchey_core.isolation.attend import Attendance
from pitchey_core.isolation.collect import Collected
from pitchey_core.isolation.policy import Layer, SandboxPolicy
from pitchey_core.isolation.remedies import remedy_for
from pitchey_core.isolation.report import SandboxReport, Verdict
from pitchey_core.isolation.watch import Watch
from pitchey_core.pricing import Usage

__all__ = ["conclude", "remove_folder", "sandbox_error"]

_MIB: Final = 1024**2
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def sandbox_error(layer: str, reason: str, policy: SandboxPolicy) -> SandboxReport:
    """The report of a program that was not run."""
    isolation = {str(each): "off" for each in Layer if each not in policy.layers}
    if layer in set(Layer):
        isolation[layer] = f"not enforced: {reason}"
    detail = f"the program was not run: {layer}: {reason}\n  → {remedy_for(layer)}"
    return SandboxReport(Verdict.SANDBOX_ERROR, isolation=isolation, detail=detail)


def conclude(
    policy: SandboxPolicy,
    attendance: Attendance,
    watch: Watch,
    limits: Mapping[str, str],
    collected: Collected,
) -> SandboxReport:
    """The report of a run whose last process is dead."""
    messages = attendance.messages
    if "missing" in messages:
        return sandbox_error(messages["missing"]["layer"], messages["missing"]["reason"], policy)
    ended = messages.get("ended")
    status = None if ended is None else int(ended["status"])
    verdict, detail = _verdict(attendance.reason, status, policy)
    exited = status is not None and os.WIFEXITED(status)
    killed = status is not None and os.WIFSIGNALED(status)
    stdout, stderr = attendance.captured()
    return SandboxReport(
        verdict,
        exit_status=os.WEXITSTATUS(status) if exited and status is not None else None,
        signal=os.WTERMSIG(status) if killed and status is not None else None,
        stdout=stdout,
        stderr=stderr,
        files=collected.files,
        refused=collected.refused,
        usage=Usage(
            wall_us=int((attendance.ended - attendance.started) * 1_000_000),
            # The first process knows of those that were waited for, exactly; the watch has seen others, too.
            cpu_us=max(watch.cpu_us(), 0 if ended is None else int(ended["cpu_us"])),
            peak_memory_bytes=watch.peak_bytes(),
            memory_method=watch.method,
        ),
        isolation={**messages.get("go", {}).get("isolation", {}), **limits},
        detail=detail,
    )


def _verdict(reason: Verdict | None, status: int | None, policy: SandboxPolicy) -> tuple[Verdict, str | None]:
    match reason:
        case Verdict.TIMEOUT_WALL:
            return reason, f"it ran longer than {policy.wall_seconds:g} s"
        case Verdict.TIMEOUT_CPU:
            return reason, f"it used more than {policy.cpu_seconds:g} s of CPU time"
        case Verdict.MEMORY:
            return reason, f"it needed more than {policy.memory_bytes / _MIB:.0f} MiB of memory"
        case Verdict.OUTPUT_LIMIT:
            most = f"{policy.stdout_bytes} bytes to stdout or {policy.stderr_bytes} to stderr"
            return reason, f"it wrote more than {most}"
    if status is None:
        return Verdict.SIGNAL, "its sandbox was killed, and nothing here did that"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        names = {each.value: each.name for each in signal.Signals}
        return Verdict.SIGNAL, f"it was killed by {names.get(number, f'signal {number}')}"
    if os.WEXITSTATUS(status):
        return Verdict.RUNTIME_ERROR, f"it ended with exit status {os.WEXITSTATUS(status)}"
    return Verdict.OK, None


def remove_folder(folder: Path) -> None:
    """Remove a folder that a program without a root of its own wrote to, however deep it is and whatever it closed.

    Every folder in it is moved to the top, so that there is never more than one level to look at.
    """
    at = os.open(folder, _FOLDER)
    try:
        pending = _empty(at, at)
        while pending:
            name = pending.pop()
            below = os.open(name, _FOLDER, dir_fd=at)
            try:
                pending += _empty(below, at)
            finally:
                os.close(below)
            os.rmdir(name, dir_fd=at)
    finally:
        os.close(at)
    folder.rmdir()


def _empty(folder: int, top: int) -> list[str]:
    """Remove the files in a folder and move its folders to the top; returns their names there."""
    moved = []
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            # Nobody is alive who could put a link in its place.
            os.chmod(entry.name, 0o700, dir_fd=folder)
            name = f".{os.urandom(8).hex()}"
            os.rename(entry.name, name, src_dir_fd=folder, dst_dir_fd=top)
            moved.append(name)
        else:
            os.unlink(entry.name, dir_fd=folder)
    return moved
