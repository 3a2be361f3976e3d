"""What an external program may use, and what it used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Completed", "ProcessLimits"]


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """Limits of one program; ``None`` means none. :attr:`Completed.isolation` says what was enforced.

    Attributes:
        wall_seconds: From start to exit.
        cpu_seconds: User and system time, summed over the tree (sampled); also ``RLIMIT_CPU`` of each
            process.
        memory_bytes: Proportional set size summed over the process tree, sampled every 50 ms.
        address_space_bytes: ``RLIMIT_AS`` of each process. Not for JavaScript engines, which reserve far
            more.
        file_bytes: ``RLIMIT_FSIZE``: size of any file that it writes.
        open_files: ``RLIMIT_NOFILE`` of each process.
        processes: Processes in the tree (sampled every 50 ms); threads do not count.
        stdout_bytes: Keep this much of stdout from its beginning instead of a tail of it.
        folders: Let it read and write beneath these folders only; ``()`` for none. Of the system it can read and run
            what programs need: ``/usr``, libraries, fonts, ``/proc``, some of ``/etc``, the folder of its own
            executable; but no home, ``/tmp``, ``/var`` or ``/srv``. Its ``HOME`` and ``TMPDIR`` are best among the
            folders (``env``), as must be what it reads; the standard streams are open already. Enforced by Landlock
            (Linux 5.13), which hides neither that a file exists nor its size.
        network: False gives it a network namespace without any interface.
        niceness: 0 to 19; the higher, the more it yields to others.
    """

    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    address_space_bytes: int | None = None
    file_bytes: int | None = None
    open_files: int | None = None
    processes: int | None = None
    stdout_bytes: int | None = None
    folders: Sequence[str | os.PathLike[str]] | None = None
    network: bool = True
    niceness: int = 0


@dataclass(frozen=True, slots=True)
class Completed:
    """How an external program ended.

    Attributes:
        argv: What was run.
        returncode: Exit status; negative for a signal.
        stdout: End of its standard output, or its beginning under ``ProcessLimits.stdout_bytes``.
        stderr: End of its standard error.
        stdout_truncated: Whether there was more.
        stderr_truncated: Whether there was more.
        wall_seconds: From start to exit.
        cpu_seconds: User and system time of the program and its descendants.
        peak_memory_bytes: Highest proportional set size of the tree seen, short of the true peak by at most
            8 MiB or a sixteenth plus what came and went between two samples; 0 if it ended before the first.
        isolation: Each limit asked for, with the mechanism that enforced it or the reason why none did.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    isolation: Mapping[str, str] = field(default_factory=dict)
