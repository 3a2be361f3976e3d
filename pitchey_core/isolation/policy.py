"""What a sandboxed program may use, and which walls have to stand around it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Final

from pitchey_core.errors import UsageError

__all__ = ["ALL_LAYERS", "Layer", "SandboxPolicy"]

_MIB: Final = 1024**2
_MOST: Final = 2**62
# Zero is no limit at all to the kernel, or leaves nothing to run with.
_ABOVE_ZERO: Final = (
    "wall_seconds", "cpu_seconds", "memory_bytes", "address_space_bytes", "processes", "vcpus", "tmp_bytes",
    "tmp_inodes",
)  # fmt: skip
_FROM_ZERO: Final = ("stdout_bytes", "stderr_bytes", "file_bytes", "output_files", "output_bytes")


class Layer(StrEnum):
    """One wall. Each can be switched off, for tests that show what the others hold alone."""

    NAMESPACES = "namespaces"
    """Own user, PID, network, IPC, UTS and cgroup namespaces."""
    ROOT = "root"
    """Own mount namespace: a minimal read-only root, and one memory file system with a size and inode limit."""
    PRIVILEGES = "privileges"
    """An unprivileged user, no capabilities, ``no_new_privs``, not dumpable."""
    SECCOMP = "seccomp"
    """Only the system calls that language runtimes need."""
    LANDLOCK = "landlock"
    """The second wall around files, TCP, abstract sockets and signals, in the kernel's security layer."""
    CGROUP = "cgroup"
    """Memory, tasks and CPU time counted over the whole tree; where no cgroup is writable, by a supervisor that
    sums the tree."""
    RLIMITS = "rlimits"
    """Limits of each process: size of a file, open files, tasks of the user, stack, CPU time, no core dump."""


ALL_LAYERS: Final = frozenset(Layer)


@dataclass(frozen=True, slots=True)
class SandboxPolicy:
    """Limits of one program, and its layers.

    Attributes:
        wall_seconds: From its start to the end of its first process.
        cpu_seconds: User and system time, summed over all its processes; ``None``: the wall limit is enough.
        memory_bytes: Memory of all its processes and files together.
        address_space_bytes: ``RLIMIT_AS`` of each process, a backstop that stands above ``memory_bytes``. For Python
            only: JavaScript engines reserve far more than they use.
        processes: Tasks at one time; threads count.
        stdout_bytes: Kept of standard output. More ends the program, unless ``discard_output`` is set.
        stderr_bytes: The same for standard error.
        discard_output: Count and throw away what is beyond these two, and let the program go on.
        file_bytes: Size of any file that it writes.
        tmp_bytes: Sum of its files. Memory, so part of ``memory_bytes`` where a cgroup counts.
        tmp_inodes: Number of its files and folders.
        output_files: Most files to collect.
        output_bytes: Most bytes to collect in all.
        vcpus: CPU bandwidth, in CPUs; ``None`` for no limit. A cgroup enforces it.
        layers: The walls to build.
        required: Those without which the program must not start. Of the others the report says whether they stood.

    Raises:
        UsageError: A limit is negative, not finite, or zero where that would be no limit to the kernel.
    """

    wall_seconds: float = 30.0
    cpu_seconds: float | None = None
    memory_bytes: int = 512 * _MIB
    address_space_bytes: int | None = None
    processes: int = 64
    stdout_bytes: int = _MIB
    stderr_bytes: int = _MIB
    discard_output: bool = False
    file_bytes: int = 64 * _MIB
    tmp_bytes: int = 128 * _MIB
    tmp_inodes: int = 4096
    output_files: int = 256
    output_bytes: int = 64 * _MIB
    vcpus: float | None = None
    layers: frozenset[Layer] = ALL_LAYERS
    required: frozenset[Layer] = ALL_LAYERS - {Layer.LANDLOCK}

    def __post_init__(self) -> None:
        for name in (*_ABOVE_ZERO, *_FROM_ZERO):
            value = getattr(self, name)
            if value is None:
                continue
            if not isfinite(value) or value < 0 or value > _MOST or (value == 0 and name not in _FROM_ZERO):
                least = "0" if name in _FROM_ZERO else "more than 0"
                raise UsageError(
                    f"{name} of a sandbox is {value}",
                    remedy=f"give it a finite number, {least} and at most 2**62",
                )
