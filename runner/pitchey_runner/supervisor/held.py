"""What a supervisor holds: its claimed jobs, and where each one is."""

from __future__ import annotations

from dataclasses import dataclass, field

from pitchey_core.pricing import Usage
from pitchey_core.slots import Slot
from pitchey_runner.store.interface import ClaimedJob

__all__ = ["Held"]


@dataclass(eq=False)
class Held:
    """A claimed job: waiting in its lane, running, or being settled.

    Attributes:
        usage: Of the running call so far.
        spent: What earlier calls of this attempt have used: a batch that died, whose members run again.
    """

    job: ClaimedJob
    key: str = ""
    slot: Slot | None = None
    started: float = 0.0
    progress: float | None = None
    message: str | None = None
    usage: Usage | None = None
    spent: Usage = field(default_factory=Usage)
    cancelled: bool = False
    lost: bool = False
