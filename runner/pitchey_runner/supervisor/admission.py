"""Which jobs may start now: what the host has, what runs, and for whom room is kept. Pure bookkeeping.

Every job reserves the vCPUs, memory and accelerators of its instance type. Memory is never promised twice. vCPUs are,
up to :attr:`Admission.cpu_overcommit` times, for jobs that share them are only slower. A job that wants more vCPUs than
there are reserves all of them once. What does not fit waits in line; jobs behind it that fit beside what runs go first,
until it has waited for :attr:`Admission.backfill_wait`. From then on room is kept for it: only what would still fit
beside *it* may start, so that it comes to its turn when what runs now has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pitchey_core.capacity import Capacity

__all__ = ["Admission", "Reservation"]

_EPSILON: Final = 1e-9


@dataclass(eq=False, slots=True)
class Reservation:
    """What a running lane has reserved.

    Attributes:
        devices: The accelerators that are its own.
        used_bytes: Of its memory, what it is known to use already.
        frozen: It uses no CPU time now, but keeps its memory.
    """

    demand: Capacity
    number: int
    devices: tuple[str, ...] = ()
    used_bytes: int = 0
    frozen: bool = False

    @property
    def vcpus(self) -> float:
        return 0.0 if self.frozen else self.demand.vcpus


@dataclass(slots=True)
class _Waiting:
    demand: Capacity
    since: float
    after: int
    """Lanes with a higher number have started while it waited."""


@dataclass(slots=True)
class Admission:
    """See the module's docstring.

    Args:
        capacity: What jobs may use here, all together.
        cpu_overcommit: How often each vCPU may be reserved.
        backfill_wait: Seconds after which room is kept for what waits.
        spare: What the host could give now beyond what it gives already, in bytes; asked before a further lane starts
            beside others, for the host may have other users. ``None``: the capacity is ours alone.
        clock: Seconds.
        devices: Names of the accelerators; default: numbers.

    Attributes:
        idle_bytes: What slots hold that wait for work. They can be closed, so a job that is alone does not mind them.
    """

    capacity: Capacity
    cpu_overcommit: float = 1.0
    backfill_wait: float = 5.0
    spare: Callable[[], int] | None = None
    clock: Callable[[], float] = time.monotonic
    devices: Sequence[str] | None = None
    idle_bytes: int = 0
    _running: list[Reservation] = field(default_factory=list)
    _waiting: dict[object, _Waiting] = field(default_factory=dict)
    _started: int = 0

    @property
    def vcpus(self) -> float:
        """How many may be reserved, all together."""
        return self.capacity.vcpus * self.cpu_overcommit

    def clamped(self, demand: Capacity) -> Capacity:
        """What a job reserves: no more than there is, so that one which wants more can run at all."""
        return Capacity(
            min(demand.vcpus, self.capacity.vcpus),
            min(demand.memory_bytes, self.capacity.memory_bytes),
            demand.gpus,
        )

    def share(self, demand: Capacity) -> float:
        """How much of this host a job takes, to compare it with others: the sum of its shares of all that there is."""
        demand, here = self.clamped(demand), self.capacity
        parts = (
            (demand.vcpus, here.vcpus),
            (demand.memory_bytes, here.memory_bytes),
            (demand.gpus, here.gpus),
        )
        return sum(wanted / there for wanted, there in parts if there)

    def fits(self, demand: Capacity, who: object = None) -> bool:
        """Whether it may start now. ``who`` is the one for whom room may have been kept."""
        demand = self.clamped(demand)
        if not self._beside(demand, self._running):
            return False
        if self._running and (spare := self.spare_bytes) is not None and demand.memory_bytes > spare:
            return False
        oldest = self._oldest()
        return oldest is None or oldest == who or self._leaves_room(demand, self._waiting[oldest])

    def lacks_idle_memory(self, demand: Capacity) -> bool:
        """Whether it could start now if only the slots that wait for work were closed."""
        if not self._running or not self.idle_bytes:
            return False
        demand, spare = self.clamped(demand), self.spare_bytes
        if spare is not None and demand.memory_bytes > spare:
            if demand.memory_bytes > spare + self.idle_bytes:
                return False
        elif self._beside(demand, self._running):
            return False
        others = replace(demand, memory_bytes=demand.memory_bytes - self.idle_bytes)
        return self._beside(others, self._running)

    @property
    def spare_bytes(self) -> int | None:
        """Memory of the host that is neither used nor promised; ``None``: the capacity is ours alone."""
        if self.spare is None:
            return None
        promised = sum(max(0, each.demand.memory_bytes - each.used_bytes) for each in self._running)
        return max(0, self.spare() - promised)

    def _beside(self, demand: Capacity, running: list[Reservation]) -> bool:
        vcpus = sum(each.vcpus for each in running) + demand.vcpus
        memory = sum(each.demand.memory_bytes for each in running) + demand.memory_bytes
        memory += self.idle_bytes if running else 0
        gpus = sum(each.demand.gpus for each in running) + demand.gpus
        here = self.capacity
        return vcpus <= self.vcpus + _EPSILON and memory <= here.memory_bytes and gpus <= here.gpus

    def _leaves_room(self, demand: Capacity, waiting: _Waiting) -> bool:
        """Whether the one that waits fits beside it and all that has started since it began to wait."""
        later = [each for each in self._running if each.number > waiting.after]
        return self._beside(
            Capacity(
                demand.vcpus + waiting.demand.vcpus,
                demand.memory_bytes + waiting.demand.memory_bytes,
                demand.gpus + waiting.demand.gpus,
            ),
            later,
        )

    def _oldest(self) -> object:
        """Who has waited longest, if that is long enough. To keep room for more than one would idle the host."""
        if not self._waiting:
            return None
        who, first = min(self._waiting.items(), key=lambda item: item[1].since)
        return who if self.clock() - first.since >= self.backfill_wait else None

    def wait(self, who: object, demand: Capacity) -> None:
        """Note that it is in line and does not fit; its time runs from the first such note."""
        known = self._waiting.get(who)
        demand = self.clamped(demand)
        if known is None:
            self._waiting[who] = _Waiting(demand, self.clock(), self._started)
        else:
            known.demand = demand
            if self.clock() - known.since < self.backfill_wait:
                known.after = self._started

    @property
    def waiting(self) -> list[tuple[object, Capacity, bool]]:
        """Who is in line, what each wants, and whether room is kept for it."""
        oldest = self._oldest()
        return [(who, each.demand, who == oldest) for who, each in self._waiting.items()]

    def leave(self, who: object) -> None:
        """It is no longer in line."""
        self._waiting.pop(who, None)

    def has_others_than(self, who: object) -> bool:
        """Whether anybody else is in line."""
        return any(each != who for each in self._waiting)

    def start(self, demand: Capacity, prefer: Iterable[str] = ()) -> Reservation:
        """Reserve, whether it fits or not.

        Args:
            prefer: Accelerators that it would rather have, where these are free.
        """
        self._started += 1
        free = self._free_devices()
        chosen = [each for each in dict.fromkeys((*prefer, *free)) if each in free][: demand.gpus]
        devices = tuple(each for each in free if each in chosen)
        reservation = Reservation(self.clamped(demand), self._started, devices)
        self._running.append(reservation)
        return reservation

    def _free_devices(self) -> list[str]:
        named = map(str, range(self.capacity.gpus)) if self.devices is None else self.devices
        taken = {each for reservation in self._running for each in reservation.devices}
        return [each for each in named if each not in taken]

    def end(self, reservation: Reservation) -> None:
        """Give back."""
        self._running.remove(reservation)

    @property
    def running(self) -> int:
        """How many lanes."""
        return len(self._running)

    @property
    def reserved(self) -> Capacity:
        """All of it together."""
        return Capacity(
            sum(each.vcpus for each in self._running),
            sum(each.demand.memory_bytes for each in self._running),
            sum(each.demand.gpus for each in self._running),
        )
