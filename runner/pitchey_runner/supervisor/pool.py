"""Which slots there are, which are idle, and whether the host has room for one more lane."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio.to_thread

from pitchey_core.capacity import Capacity, available_memory
from pitchey_core.errors import ConfigError, UnknownName
from pitchey_core.host import Host
from pitchey_core.resources import GIB, InstanceType
from pitchey_core.slots import Executor, Slot, new_tag
from pitchey_runner.store.interface import ALL_QUEUES, ClaimedJob
from pitchey_runner.supervisor.admission import Admission, Reservation

__all__ = ["Pool"]

_RECENT_SECONDS: Final = 0.05


@dataclass(slots=True)
class _Idle:
    slot: Slot
    since: float
    memory_bytes: int = 0


@dataclass(slots=True)
class Pool:
    """Warm slots by job type.

    A lane is one slot at work. Lanes of a type are bounded by its queue's ``max_slots``; all lanes together by what
    jobs may use of the host (:mod:`pitchey_runner.supervisor.admission`). An idle slot uses the memory that it has.

    Attributes:
        limits: Most lanes by queue where the store says so, instead of the settings; under ``*`` those of all together.
    """

    host: Host
    executor: Executor
    owner: str
    max_slots: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    admission: Admission = field(init=False)
    _idle: dict[str, list[_Idle]] = field(default_factory=lambda: defaultdict(list))
    _busy: dict[Slot, str] = field(default_factory=dict)
    _lanes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _typical: dict[str, Capacity] = field(default_factory=dict)
    _instances: dict[tuple[str, str], InstanceType] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = self.host.settings.host
        # Whoever has set how much jobs may use has decided about everybody else's share as well.
        spare = _recent(available_memory) if settings.memory_bytes is None else None
        self.admission = Admission(
            self.host.capacity,
            settings.cpu_overcommit,
            settings.backfill_wait,
            spare,
            devices=self.host.devices,
        )

    # -- room ---------------------------------------------------------------------------------------------------

    def demand(self, job: ClaimedJob) -> Capacity:
        """What a job reserves: its instance type, with more memory where it ran out of it before.

        Raises:
            UnknownName: Its instance type does not exist here.
            ConfigError: It can never run here.
        """
        kind = (job.type, job.instance_type)
        instance = self._instances.get(kind)
        if instance is None:
            # Kept: to see what the host has is a millisecond's reading.
            instance = self._instances[kind] = self.host.instance_for(*kind)
        here = self.admission.capacity
        if not here.takes(instance):
            raise ConfigError(
                f"instance type {instance.name!r} wants {instance.memory_bytes / GIB:.2f} GiB of memory and "
                f"{instance.gpus} accelerators; this host has {here.memory_bytes / GIB:.2f} GiB and {here.gpus}",
                remedy="choose a smaller instance type, or a worker on a larger host",
            )
        factor = max(1.0, job.memory_factor)
        return Capacity(instance.vcpus, int(instance.memory_bytes * factor), instance.gpus)

    def typical(self, job_type: str) -> Capacity:
        """What the next job of a type will probably reserve: as much as the last one."""
        if job_type not in self._typical:
            try:
                instance = self.host.instance_for(job_type, self.host.spec(job_type).resources)
            except UnknownName:
                return Capacity(0.0, 0)  # Its jobs will say so, one by one.
            self._typical[job_type] = Capacity(instance.vcpus, instance.memory_bytes, instance.gpus)
        return self._typical[job_type]

    def has_lane(self, job_type: str) -> bool:
        """Whether its queue may have one more lane."""
        return self._lanes[job_type] < self._most(job_type) and self.admission.running < self._most_in_all

    def wants_lane(self, job_type: str) -> bool:
        """Whether its queue may have one more lane, and only those of others are in its way."""
        return self._lanes[job_type] < self._most(job_type) and self.admission.running >= self._most_in_all

    def _most(self, job_type: str) -> int:
        """Lanes of one type."""
        return self.limits.get(job_type, self.host.queue(job_type).max_slots)

    @property
    def most_in_all(self) -> int | None:
        """Lanes of all types together; ``None``: as many as fit."""
        most = self._most_in_all
        return None if most == math.inf else int(most)

    @property
    def _most_in_all(self) -> float:
        given = math.inf if self.max_slots is None else self.max_slots
        return min(given, self.limits.get(ALL_QUEUES, math.inf))

    def fits(self, demand: Capacity, who: object) -> bool:
        """Whether the host has room for it now; if not, it is in line from now on."""
        self.admission.idle_bytes = sum(each.memory_bytes for idle in self._idle.values() for each in idle)
        if self.admission.fits(demand, who):
            self.admission.leave(who)
            return True
        self.admission.wait(who, demand)
        return False

    def obtainable(self, job_type: str) -> int:
        """How many lanes of that type there could be in all, on an otherwise idle host."""
        here, each = self.admission.capacity, self.admission.clamped(self.typical(job_type))
        fit = [self.admission.vcpus / each.vcpus if each.vcpus else math.inf]
        fit += [here.memory_bytes / each.memory_bytes if each.memory_bytes else math.inf]
        fit += [here.gpus / each.gpus if each.gpus else math.inf]
        return max(1, math.floor(min(*fit, self._most(job_type), self._most_in_all) + 1e-9))

    def reserve(self, job_type: str, demand: Capacity) -> Reservation:
        """Count a lane before its slot exists, so that claims and room cannot run apart."""
        self._lanes[job_type] += 1
        self._typical[job_type] = demand
        bound = (device for each in self._idle[job_type] for device in each.slot.devices)
        return self.admission.start(demand, bound if demand.gpus else ())

    def release(self, job_type: str, reservation: Reservation) -> None:
        self._lanes[job_type] -= 1
        self.admission.end(reservation)

    # -- slots --------------------------------------------------------------------------------------------------

    async def obtain(self, job_type: str, devices: tuple[str, ...] = ()) -> Slot:
        """An idle slot of that type, bound to these accelerators, or a new one."""
        idle = self._idle[job_type]
        while fitting := [each for each in idle if each.slot.devices == devices]:
            idle.remove(fitting[-1])
            slot = fitting[-1].slot
            if slot.alive:
                self._busy[slot] = job_type
                return slot
        if devices:
            await self._close_bound(set(devices))
            slot = await self.executor.open_slot(new_tag(self.owner), devices=devices)
        else:
            slot = await self.executor.open_slot(new_tag(self.owner))
        self._busy[slot] = job_type
        return slot

    async def _close_bound(self, devices: set[str]) -> None:
        """Close idle slots that are bound to one of them: their processors may still hold memory of it."""
        for job_type in list(self._idle):
            await self._close_idle(job_type, 0, lambda each: not devices.isdisjoint(each.slot.devices))

    async def give_back(self, slot: Slot) -> None:
        """Return a slot after its work; a dead one is forgotten."""
        job_type = self._busy.pop(slot)
        if slot.alive:
            self._idle[job_type].append(_Idle(slot, time.monotonic()))

    async def prewarm(self, job_types: Iterable[str]) -> None:
        """Start the slots that a queue keeps (``min_slots``), within what the host could have at work, and load its
        processor there.

        Raises:
            OSError: No process can be started.
        """
        for job_type in job_types:
            if self.typical(job_type).gpus:
                continue  # Which accelerators a slot is bound to is known when its first job comes.
            wanted = min(self.host.queue(job_type).min_slots, self.obtainable(job_type))
            while self._lanes[job_type] + len(self._idle[job_type]) < wanted:
                slot = await self.executor.open_slot(new_tag(self.owner))
                self._idle[job_type].append(_Idle(slot, time.monotonic()))
                await slot.warm(self.host.spec(job_type))

    @property
    def busy(self) -> Sequence[Slot]:
        return list(self._busy)

    @property
    def idle(self) -> dict[str, int]:
        """How many slots wait for work, by type."""
        return {job_type: len(each) for job_type, each in self._idle.items() if each}

    async def reap(self) -> None:
        """Close slots that were idle for long, down to their queue's ``min_slots``, and weigh the others."""
        limit = time.monotonic() - self.host.settings.slots.idle_seconds
        for job_type in list(self._idle):
            keep = max(0, self.host.queue(job_type).min_slots - self._lanes[job_type])
            await self._close_idle(job_type, keep, lambda each: each.since < limit)
        await anyio.to_thread.run_sync(self._weigh)

    async def make_room(self, job_type: str, demand: Capacity) -> None:
        """Close idle slots for the sake of a job that waits for memory alone; its own type's go last.

        For one that waits for anything else they stay warm: they would only have to start once more.
        """
        if self.admission.lacks_idle_memory(demand):
            others = [each for each in self._idle if each != job_type]
            for each in others or [job_type]:
                await self._close_idle(each, 0, lambda _: True)

    async def _close_idle(self, job_type: str, keep: int, when: Callable[[_Idle], bool]) -> None:
        idle = self._idle[job_type]
        for each in idle[: max(0, len(idle) - keep)]:
            # While one was being closed, another may have been put to work.
            if each in idle and len(idle) > keep and when(each):
                idle.remove(each)
                await each.slot.close()

    def _weigh(self) -> None:
        for each in [each for idle in list(self._idle.values()) for each in list(idle)]:
            if not each.memory_bytes:
                each.memory_bytes = each.slot.memory_bytes()

    async def close(self) -> None:
        """Close every slot, busy ones too."""
        for slot in [*self._busy, *(each.slot for idle in self._idle.values() for each in idle)]:
            await slot.close()
        self._busy.clear()
        self._idle.clear()


def _recent(look: Callable[[], int]) -> Callable[[], int]:
    """What ``look`` says, half a millisecond's reading, asked at most 20 times a second."""
    last, known = -math.inf, 0

    def recent() -> int:
        nonlocal last, known
        now = time.monotonic()
        if now - last > _RECENT_SECONDS:
            last, known = now, look()
        return known

    return recent
