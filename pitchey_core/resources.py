"""What a job reserves on the host and may not exceed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from pitchey_core.errors import UnknownName

__all__ = ["GIB", "INSTANCE_TYPES", "MIB", "InstanceType", "Limits", "instance_type"]

MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class InstanceType:
    """A named amount of CPU and memory: a request *and* a limit.

    Attributes:
        vcpus: Logical CPUs; fractions are allowed.
        memory_bytes: Memory of the job's whole process tree, in bytes.
        gpus: Accelerators, each for one job at a time.
    """

    name: str
    vcpus: float
    memory_bytes: int
    gpus: int = 0


INSTANCE_TYPES = {
    each.name: each
    for each in (
        InstanceType("lite", 0.5, 1 * GIB),
        InstanceType("standard-1", 1, 2 * GIB),
        InstanceType("standard-2", 2, 4 * GIB),
        InstanceType("standard-4", 4, 8 * GIB),
    )
}


def instance_type(name: str) -> InstanceType:
    """Look an instance type up by name.

    Raises:
        UnknownName: There is none of that name.
    """
    try:
        return INSTANCE_TYPES[name]
    except KeyError:
        raise UnknownName("instance type", name, INSTANCE_TYPES) from None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one attempt of a job may use. ``None`` means that nothing is enforced.

    Attributes:
        wall_seconds: From the start of the processor to its return.
        memory_bytes: Summed over the job's process tree (proportional set size).
        vcpus: Threads that the job should start, and what it is billed against; not a hard cap.
        gpus: Accelerators that are its own for that time, and what it is billed for.
        log_bytes: Length of the attempt's log; what comes after it is dropped and said so.
        pixels: Width times height of any picture that is decoded.
        duration_seconds: Play time of any input.
        output_bytes: Size of any single output file.
    """

    wall_seconds: float | None = None
    memory_bytes: int | None = None
    vcpus: float = 1.0
    gpus: int = 0
    log_bytes: int = 64 * MIB
    pixels: int = 16384 * 16384
    duration_seconds: float = 24 * 3600.0
    output_bytes: int | None = None

    @property
    def threads(self) -> int:
        """Threads that fit into ``vcpus``; at least one."""
        return max(1, int(self.vcpus))

    def with_(self, **changes: Any) -> Limits:
        """A copy with some limits changed."""
        return replace(self, **changes)

    def as_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Limits:
        return cls(**record)
