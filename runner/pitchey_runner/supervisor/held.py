"""What a supervisor holds: its claimed jobs, and where each one is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pitchey_core.pricing import Usage
from pitchey_core.slots import Report, Slot
from pitchey_runner.store.interface import Beat, ClaimedJob
from pitchey_runner.supervisor.admission import Reservation

__all__ = ["Held", "share_usage"]


_NOTHING: Final = Usage()


@dataclass(eq=False)
class Held:
    """A claimed job: waiting in its lane, running, or being settled.

    Attributes:
        usage: Of the running call so far.
        together: Its processor takes it in one call with others, so that it cannot be stopped alone.
        reservation: What its lane has reserved of the host.
        memory_bytes: What it may use of the memory, and is priced by.
        paused: Somebody wants it to stand still.
        spent: What earlier calls of this attempt have used: a batch that died, whose members run again.
    """

    job: ClaimedJob
    key: str = ""
    slot: Slot | None = None
    started: float = 0.0
    progress: float | None = None
    message: str | None = None
    usage: Usage | None = None
    together: bool = False
    reservation: Reservation | None = None
    memory_bytes: int | None = None
    paused: bool = False
    spent: Usage = _NOTHING
    cancelled: bool = False
    lost: bool = False

    def beat(self) -> Beat:
        """What its heartbeat says."""
        return Beat(
            self.job.claim,
            self.progress,
            self.message,
            self.usage,
            self.memory_bytes,
            None if self.slot is None else self.slot.enforced_by,
        )


def share_usage(members: Sequence[Held], report: Report) -> None:
    """Note what a call has used so far, in equal shares for those that are in it."""
    slot, reservation = members[0].slot, members[0].reservation
    grouped = slot is not None and (slot.enforced_by or "").startswith("cgroup")
    if reservation is not None:
        reservation.used_bytes = report.memory_bytes or 0
    wall_us = int((time.monotonic() - members[0].started) * 1e6)
    whole = Usage(
        wall_us=wall_us,
        cpu_us=report.cpu_us or 0,
        peak_memory_bytes=report.memory_bytes or 0,
        memory_method="cgroup" if grouped else "sampled-pss",
        gpu_us=0 if reservation is None else wall_us * len(reservation.devices),
        complete=False,
    )
    for held, share in zip(members, whole.split(len(members)), strict=True):
        held.usage = share.plus(held.spent)
