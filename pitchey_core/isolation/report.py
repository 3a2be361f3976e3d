"""How a sandboxed program ended, what it wrote and used, and what held it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pitchey_core.pricing import Usage

__all__ = ["Captured", "CollectedFile", "SandboxReport", "Verdict"]


class Verdict(StrEnum):
    """Why it ended. Decided by what the kernel and our own timers saw, never by an exit status alone."""

    OK = "ok"
    RUNTIME_ERROR = "runtime-error"
    SIGNAL = "signal"
    TIMEOUT_CPU = "timeout-cpu"
    TIMEOUT_WALL = "timeout-wall"
    MEMORY = "memory"
    OUTPUT_LIMIT = "output-limit"
    SANDBOX_ERROR = "sandbox-error"
    """It was not run: a wall could not be built. ``detail`` says which, and the remedy."""


@dataclass(frozen=True, slots=True)
class Captured:
    """The beginning of a stream.

    Attributes:
        data: As many bytes as the policy keeps.
        total: Bytes that the program wrote, as far as they were read.
        truncated: Whether there was more than ``data``.
    """

    data: bytes = b""
    total: int = 0
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class CollectedFile:
    """A regular file that the program left.

    Attributes:
        name: Relative to its working folder, as the program named it (undecodable bytes as surrogates).
        path: Where the copy is: below the folder that ``collect`` names.
        bytes: Its size.
    """

    name: str
    path: Path
    bytes: int


@dataclass(frozen=True, slots=True)
class SandboxReport:
    """The outcome of :meth:`pitchey_core.isolation.Sandbox.run`.

    Attributes:
        verdict: Why it ended.
        exit_status: Of the first process, if it exited.
        signal: That killed the first process, if one did.
        stdout: What it wrote.
        stderr: What it wrote.
        files: What was asked for by ``outputs`` and is fit to be collected.
        refused: What was asked for and is not, each with the reason: a link, a device, too large, too many.
        usage: Wall and CPU time, and peak memory, of all its processes.
        isolation: Each layer, and the four limits ``memory``, ``cpu``, ``processes`` and ``vcpus``, with what enforced
            it, or ``off``, or ``not enforced: `` and the reason.
        detail: More about the verdict, for people.
    """

    verdict: Verdict
    exit_status: int | None = None
    signal: int | None = None
    stdout: Captured = Captured()
    stderr: Captured = Captured()
    files: list[CollectedFile] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    isolation: dict[str, str] = field(default_factory=dict)
    detail: str | None = None
