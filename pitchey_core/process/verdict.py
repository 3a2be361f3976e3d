"""What an exit status means: the right error of the tree, in the program's own words."""

from __future__ import annotations

import contextlib
import re
import signal

from pitchey_core.errors import (
    Cancelled,
    LimitExceeded,
    OutOfSpace,
    PitcheyError,
    ToolFailed,
)
from pitchey_core.process.limits import Completed, ProcessLimits

__all__ = ["last_words", "limit_error", "verdict"]

_EMPTY_WORDS = re.compile(r"(conversion failed!?|exiting\.*|aborted\.?|terminated\.?|\W*)$", re.IGNORECASE)
# What ffmpeg says in consequence of an error that it has told before.
_AFTERMATH = re.compile(
    r"(\[[^\]]*\]\s*)*(error while opening encoder|could not open encoder before|error sending frames to consumers"
    r"|task finished with error code|terminating thread with|nothing was written into output file)",
    re.IGNORECASE,
)
_NO_SPACE = re.compile(rb"no space left on device|disk quota exceeded", re.IGNORECASE)
_NO_MEMORY = re.compile(rb"cannot allocate memory|out of memory|memoryerror|bad_alloc", re.IGNORECASE)
_MIB = 1024**2


def last_words(stderr: bytes) -> str:
    """The last line of ``stderr`` that says something, at most 300 characters, control characters escaped."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", stderr.decode("utf-8", "replace"))]
    telling = [line for line in lines if line and not _EMPTY_WORDS.match(line)]
    causes = [line for line in telling if not _AFTERMATH.match(line)] or telling
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in causes[-1][-300:]) if causes else ""


def limit_error(limit: str, tool: str, limits: ProcessLimits) -> PitcheyError:
    """The error for a program that was stopped because of ``limit`` (or ``cancelled``)."""
    match limit:
        case "cancelled":
            return Cancelled(f"{tool} was stopped because its job was cancelled")
        case "wall":
            words = f"ran longer than {limits.wall_seconds:g} s"
        case "cpu":
            words = f"used more than {limits.cpu_seconds:g} s of CPU time"
        case "memory":
            most = limits.memory_bytes or limits.address_space_bytes or 0
            words = f"needed more than {most / _MIB:.0f} MiB of memory"
        case "output":
            words = f"wrote a file larger than {(limits.file_bytes or 0) / _MIB:g} MiB"
        case _:
            words = f"exceeded its limit on {limit}"
    return LimitExceeded(f"{tool} {words}", limit=limit, remedy="raise the limit, or give it a smaller input")


def _died_of(returncode: int, number: signal.Signals) -> bool:
    # A shell in between reports the signal of its child as 128 + N.
    return returncode in (-number, 128 + number)


def verdict(completed: Completed, *, tool: str, limits: ProcessLimits, check: bool) -> PitcheyError | None:
    """The error that an exit status stands for; ``None`` when all is well.

    A limit of ours is an error also without ``check``; the program's own failures only with it.
    """
    code, stderr = completed.returncode, completed.stderr
    if limits.cpu_seconds is not None and (
        _died_of(code, signal.SIGXCPU)
        or (_died_of(code, signal.SIGKILL) and completed.cpu_seconds >= limits.cpu_seconds)
    ):
        return limit_error("cpu", tool, limits)
    if limits.file_bytes is not None and (
        _died_of(code, signal.SIGXFSZ) or (code != 0 and b"File too large" in stderr)
    ):
        return limit_error("output", tool, limits)
    if code == 0 or not check:
        return None
    if limits.address_space_bytes is not None and _NO_MEMORY.search(stderr):
        return limit_error("memory", tool, limits)
    if _NO_SPACE.search(stderr):
        return OutOfSpace(
            f"{tool} could not write: no space left on the disk", remedy="free some space, then retry the job"
        )
    return _failed(completed, tool)


def _failed(completed: Completed, tool: str) -> ToolFailed:
    code = completed.returncode
    ending = f"failed with exit status {code}"
    remedy = None
    if code < 0:
        ending = f"was killed by signal {-code}"
        with contextlib.suppress(ValueError):
            ending = f"was killed by {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            remedy = "nothing here killed it; if the host ran out of memory, run fewer jobs at once"
    words = last_words(completed.stderr)
    return ToolFailed(
        f"{tool} {ending}" + (f": {words}" if words else ""),
        tool=tool,
        returncode=code,
        stderr_tail=completed.stderr.decode("utf-8", "replace"),
        remedy=remedy,
    )
