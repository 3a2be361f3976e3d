"""What a supervisor holds: its claimed jobs, and where each one is."""

from __future__ import annotations

from dataclasses import dataclass

from pitchey_core.pricing import Usage
from pitchey_core.slots import Slot
from pitchey_runner.store.interface import ClaimedJob

__all__ = ["Held"]


@dataclass(eq=False)
class Held:
    """A claimed job: waiting in its lane, running, or being settled."""

    job: ClaimedJob
    key: str = ""
    slot: Slot | None = None
    started: float = 0.0
    progress: float | None = None
    message: str | None = None
    usage: Usage | None = None
    cancelled: bool = False
    lost: bool = False
