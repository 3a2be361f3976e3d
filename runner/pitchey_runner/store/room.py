"""What a worker has for jobs, who has it now, and who waits for it: what it tells the store of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from pitchey_core.capacity import Capacity

__all__ = ["Lane", "Need", "Room"]


@dataclass(frozen=True, slots=True)
class Lane:
    """A slot at work.

    Attributes:
        job_id: The job that it runs, or the first of those that it runs together.
        jobs: How many it has still to run, with that one.
    """

    type: str
    job_id: str
    reserved: Capacity
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class Need:
    """What has not enough room: the next job of a type, or those of a claim.

    Attributes:
        job_ids: Those of the claim; none for jobs that nobody has claimed.
        kept: What becomes free is kept for it.
    """

    type: str
    wanted: Capacity
    job_ids: tuple[str, ...] = ()
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """See the module's docstring.

    Attributes:
        capacity: All that jobs may reserve; vCPUs as often as they may be reserved.
        slots: Most slots of a type at a time, by what the worker has and what its queue allows.
        spare_bytes: Memory that nobody uses now, where that is less than what is not reserved: others use it.
        in_all: Most slots of all types together; ``None``: no such limit.
        leaving: It finishes what it runs, and starts nothing more.
        batch_id: It takes the jobs of this batch only.
    """

    capacity: Capacity
    lanes: tuple[Lane, ...] = ()
    needs: tuple[Need, ...] = ()
    slots: Mapping[str, int] = field(default_factory=dict)
    spare_bytes: int | None = None
    in_all: int | None = None
    leaving: bool = False
    batch_id: str | None = None

    def takes(self, batch_id: str | None) -> bool:
        """Whether it starts jobs of that batch."""
        return not self.leaving and self.batch_id in (None, batch_id)

    @property
    def free(self) -> Capacity:
        """What is not reserved."""
        memory = self.capacity.memory_bytes - sum(each.reserved.memory_bytes for each in self.lanes)
        return Capacity(
            max(0.0, self.capacity.vcpus - sum(each.reserved.vcpus for each in self.lanes)),
            max(0, memory if self.spare_bytes is None else min(memory, self.spare_bytes)),
            max(0, self.capacity.gpus - sum(each.reserved.gpus for each in self.lanes)),
        )

    def as_record(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        return cls(
            Capacity(**record["capacity"]),
            tuple(Lane(**{**each, "reserved": Capacity(**each["reserved"])}) for each in record["lanes"]),
            tuple(
                Need(
                    **{
                        **each,
                        "wanted": Capacity(**each["wanted"]),
                        "job_ids": tuple(each["job_ids"]),
                    }
                )
                for each in record["needs"]
            ),
            record["slots"],
            record["spare_bytes"],
            record.get("in_all"),
            record.get("leaving", False),
            record.get("batch_id"),
        )
