"""Which slots there are, which are idle, and whether the host has room for one more running job."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from pitchey_core.host import Host
from pitchey_core.slots import Executor, Slot, new_tag

__all__ = ["Pool"]

_IDLE_SECONDS = 60.0


@dataclass(slots=True)
class Pool:
    """Warm slots by job type.

    A lane is one slot at work. Lanes of a type are bounded by its queue's ``max_slots``; all lanes together by the
    vCPUs of the host, where a lane counts with those of its instance type. One lane always fits, so a job whose
    instance type is larger than the host runs alone.
    """

    host: Host
    executor: Executor
    owner: str
    vcpus: float
    max_slots: int | None = None
    _idle: dict[str, list[tuple[float, Slot]]] = field(default_factory=lambda: defaultdict(list))
    _busy: dict[Slot, tuple[str, float]] = field(default_factory=dict)
    _reserved: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def room(self, job_type: str) -> int:
        """How many more lanes of that type may start now."""
        lanes = self.lanes
        total = sum(len(each) for each in self._reserved.values())
        limit = self.host.queue(job_type).max_slots - len(self._reserved[job_type])
        if self.max_slots is not None:
            limit = min(limit, self.max_slots - total)
        each = self.cost(job_type)
        fit = math.floor((self.vcpus - lanes) / each + 1e-9)
        return max(0, min(limit, fit if total else max(1, fit)))

    def waits_for_cpu(self, job_type: str) -> bool:
        """Whether a lane of that type may not start for want of vCPUs alone."""
        busy = sum(len(each) for each in self._reserved.values())
        free = len(self._reserved[job_type]) < self.host.queue(job_type).max_slots and (
            self.max_slots is None or busy < self.max_slots
        )
        return free and self.room(job_type) == 0

    def obtainable(self, job_type: str) -> int:
        """How many lanes of that type there could be in all, on an otherwise idle host."""
        fit = max(1, math.floor(self.vcpus / self.cost(job_type) + 1e-9))
        return max(1, min(fit, self.host.queue(job_type).max_slots, self.max_slots or fit))

    def cost(self, job_type: str) -> float:
        """vCPUs that a lane of that type reserves, at most those of the host."""
        return min(self.host.instance(self.host.spec(job_type).resources).vcpus, self.vcpus)

    @property
    def lanes(self) -> float:
        """vCPUs reserved now."""
        return sum(sum(each) for each in self._reserved.values())

    def reserve(self, job_type: str) -> None:
        """Count a lane before its slot exists, so that claims and room cannot run apart."""
        self._reserved[job_type].append(self.cost(job_type))

    def release(self, job_type: str) -> None:
        self._reserved[job_type].pop()

    async def obtain(self, job_type: str) -> Slot:
        """An idle slot of that type, or a new one."""
        while self._idle[job_type]:
            _, slot = self._idle[job_type].pop()
            if slot.alive:
                self._busy[slot] = (job_type, time.monotonic())
                return slot
        slot = await self.executor.open_slot(new_tag(self.owner))
        self._busy[slot] = (job_type, time.monotonic())
        return slot

    async def give_back(self, slot: Slot) -> None:
        """Return a slot after its work; a dead one is forgotten."""
        job_type, _ = self._busy.pop(slot)
        if slot.alive:
            self._idle[job_type].append((time.monotonic(), slot))

    @property
    def busy(self) -> Iterable[Slot]:
        return list(self._busy)

    async def reap(self) -> None:
        """Close slots that were idle for a minute, down to their queue's ``min_slots``."""
        now = time.monotonic()
        old = []
        for job_type, idle in self._idle.items():
            keep = max(0, self.host.queue(job_type).min_slots - len(self._reserved[job_type]))
            for entry in idle[: max(0, len(idle) - keep)]:
                since, slot = entry
                if now - since > _IDLE_SECONDS:
                    idle.remove(entry)
                    old.append(slot)
        for slot in old:
            await slot.close()

    async def close(self) -> None:
        """Close every slot, busy ones too."""
        for slot in [*self._busy, *(slot for idle in self._idle.values() for _, slot in idle)]:
            await slot.close()
        self._busy.clear()
        self._idle.clear()
