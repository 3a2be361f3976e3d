"""Groups of short jobs that were claimed while the lanes they will run in are still busy."""

from __future__ import annotations

from collections import Counter, defaultdict, deque

import anyio

from pitchey_core.capacity import Capacity
from pitchey_runner.supervisor.held import Held

__all__ = ["Ahead"]

_Kind = tuple[str, Capacity]
"""A group suits the lanes of its type that have reserved what its jobs want."""


class Ahead:
    """One group for each lane that goes on, so that no slot waits for a claim."""

    def __init__(self) -> None:
        self._groups: dict[_Kind, deque[list[Held]]] = defaultdict(deque)
        self._lanes: Counter[_Kind] = Counter()
        self._news = anyio.Event()

    def join(self, job_type: str, demand: Capacity) -> None:
        """A lane takes groups from now on."""
        self._lanes[job_type, demand] += 1

    def leave(self, job_type: str, demand: Capacity) -> None:
        """It takes no more. Nothing is left for it then, unless the worker stops."""
        self._lanes[job_type, demand] -= 1

    def wants(self, job_type: str) -> bool:
        """Whether a lane of that type has nothing yet to go on with."""
        return any(
            lanes > len(self._groups[kind]) for kind, lanes in self._lanes.items() if kind[0] == job_type
        )

    def put(self, job_type: str, demand: Capacity, group: list[Held]) -> bool:
        """Keep a group for a lane; ``False``: none wants it."""
        kind = job_type, demand
        if self._lanes[kind] <= len(self._groups[kind]):
            return False
        self._groups[kind].append(group)
        self.wake()
        return True

    def take(self, job_type: str, demand: Capacity) -> list[Held] | None:
        """The next group for a lane, if there is one."""
        groups = self._groups[job_type, demand]
        return groups.popleft() if groups else None

    def give_up(self) -> list[list[Held]]:
        """All groups; they will not run here."""
        groups = [group for each in self._groups.values() for group in each]
        self._groups.clear()
        return groups

    def wake(self) -> None:
        """Let the lanes look again: something was put here, or one of their groups is through."""
        news, self._news = self._news, anyio.Event()
        news.set()

    async def news(self) -> None:
        """Wait for :meth:`wake`."""
        await self._news.wait()
