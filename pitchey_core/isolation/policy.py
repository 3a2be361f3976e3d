"""What a sandboxed program may use, and which walls have to stand around it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["ALL_LAYERS", "Layer", "SandboxPolicy"]

_MIB: Final = 1024**2


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
