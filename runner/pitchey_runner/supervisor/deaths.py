"""Hears of the death of other workers on this host in the moment when it happens."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection

import anyio

from pitchey_runner.store.interface import WorkerInfo
from pitchey_runner.supervisor.identity import is_dead_here, is_here

__all__ = ["DeathWatch"]


class DeathWatch:
    """Watches processes by their descriptors (pidfd_open(2))."""

    def __init__(self) -> None:
        self._died = anyio.Event()
        self._watched: set[str] = set()

    def watch(self, workers: Collection[WorkerInfo], group: anyio.abc.TaskGroup) -> None:
        """Watch those of the workers that live here, and no others."""
        for worker in workers:
            if worker.id not in self._watched and is_here(worker):
                self._watched.add(worker.id)
                group.start_soon(self._wait_for, worker)

    async def death(self, seconds: float) -> None:
        """Until one of them dies, or has died since the last call; at most so long."""
        with anyio.move_on_after(seconds):
            await self._died.wait()
        if self._died.is_set():
            self._died = anyio.Event()

    async def _wait_for(self, worker: WorkerInfo) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self._watched.discard, worker.id)
            try:
                # Here, where it is sure to be closed: a task that is cancelled before it begins never runs.
                descriptor = os.pidfd_open(worker.pid)
            except OSError:
                return  # No such process, or a kernel before 5.3: the next look will tell.
            stack.callback(os.close, descriptor)
            if not is_dead_here(worker):  # Else its number is another's by now.
                await anyio.wait_readable(descriptor)
                self._died.set()
