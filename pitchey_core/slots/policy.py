"""How a host wants its slots kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

__all__ = ["SlotPolicy"]


@dataclass(frozen=True, slots=True)
class SlotPolicy:
    """What a warden is told at its start.

    Attributes:
        cgroups: Confine the process of the slot in a group of the kernel, where one can be made.
        recycle_jobs: After so many jobs it is replaced by a fresh process.
        recycle_bytes: So it is when it is larger than that after a job, in bytes (resident).
    """

    cgroups: bool = True
    recycle_jobs: int = 1000
    recycle_bytes: int = 1024**3

    def as_argument(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, text: str) -> Self:
        return cls(**json.loads(text))
