"""A supervisor in this process, until nothing is left to do."""

from __future__ import annotations

import anyio
from workplace import Workplace

from pitchey_runner.store.interface import JobRecord, JobStore
from pitchey_runner.supervisor import Supervisor, Watcher


def drain(place: Workplace, store: JobStore, watcher: Watcher | None = None) -> list[JobRecord]:
    """Work on what is in the store, and return all its jobs."""
    supervisor = Supervisor(store, place.host, watcher=watcher, backoff_base=0.05)

    async def main() -> None:
        await supervisor.run(drain=True)

    anyio.run(main)
    return store.list(newest_first=False)
