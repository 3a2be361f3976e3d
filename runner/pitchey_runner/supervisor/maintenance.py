"""What falls due by the clock: schedules fire, and finished jobs are deleted when they are old."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Final

import anyio

from pitchey_core.errors import PitcheyError
from pitchey_core.queue_settings import RetentionSettings
from pitchey_runner.store.interface import JobState, JobStore
from pitchey_runner.supervisor.threads import in_thread

__all__ = ["Maintenance"]

_log = logging.getLogger(__name__)
_FIRE_SECONDS: Final = 1.0
_PURGE_SECONDS: Final = 60.0
_PURGED_AT_ONCE: Final = 500
_BETWEEN_SECONDS: Final = 0.05


class Maintenance:
    """Every supervisor does it; the store sees to it that nothing is done twice."""

    def __init__(self, store: JobStore, retention: RetentionSettings) -> None:
        self._store = store
        self._ages = {
            JobState(name): seconds for name, seconds in retention.model_dump().items() if seconds is not None
        }

    async def run(self) -> None:
        """Go on until cancelled; trouble with the store is reported and outlasted."""
        purged = 0.0
        while True:
            try:
                for job_id in await in_thread(self._store.fire_schedules):
                    _log.info("a schedule has enqueued job %s", job_id)
                if self._ages and (not purged or time.monotonic() - purged > _PURGE_SECONDS):
                    purged = time.monotonic()
                    await self._purge()
            except PitcheyError as error:
                _log.warning("maintenance failed and is tried again: %s", error)
            except Exception:  # noqa: BLE001 - a defect here must not end the work
                _log.exception("maintenance failed and is tried again")
            await anyio.sleep(_FIRE_SECONDS)

    async def _purge(self) -> None:
        """In small transactions, so that those who work are not kept waiting."""
        for state, seconds in self._ages.items():
            purge = partial(self._store.purge_old, state, seconds, limit=_PURGED_AT_ONCE)
            purged = await in_thread(purge)
            while purged == _PURGED_AT_ONCE:
                await anyio.sleep(_BETWEEN_SECONDS)
                purged = await in_thread(purge)
