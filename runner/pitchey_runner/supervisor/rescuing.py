"""Takes over, again and again, what dead workers have left, and brings it to its end."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Final

import anyio

from pitchey_core.errors import PitcheyError, StoreError, error_from_record
from pitchey_core.host import Host
from pitchey_runner.store.interface import JobStore, WorkerInfo
from pitchey_runner.submission import result_of
from pitchey_runner.supervisor.concluding import Ends
from pitchey_runner.supervisor.deaths import DeathWatch
from pitchey_runner.supervisor.events import Event, JobSettled
from pitchey_runner.supervisor.lookout import Lookout
from pitchey_runner.supervisor.rescue import rescue
from pitchey_runner.supervisor.threads import in_thread

__all__ = ["Rescuer"]

_log = logging.getLogger(__name__)
_SECONDS: Final = 1.0
"""Between two looks: for workers on other hosts, and for those here that have come since the last one."""


class Rescuer:
    """The rescues of one worker."""

    def __init__(
        self, store: JobStore, host: Host, me: WorkerInfo, ends: Ends, tell: Callable[[Event], None]
    ) -> None:
        self._store = store
        self._host = host
        self._me = me
        self._ends = ends
        self._tell = tell
        self._deaths = DeathWatch()
        self._lookout = Lookout()

    async def wait(self, group: anyio.abc.TaskGroup) -> None:
        """Until a worker of this host dies, or the next look is due; ``group`` carries the watches."""
        with contextlib.suppress(StoreError):
            workers = await in_thread(self._store.workers)
            self._deaths.watch([each.info for each in workers if each.info.id != self._me.id], group)
        await self._deaths.death(_SECONDS)

    async def rescue(self, batch_id: str | None) -> None:
        """One look.

        Args:
            batch_id: The only batch whose ends are told.
        """
        try:
            rescued = await in_thread(rescue, self._store, self._me, self._host, self._lookout)
        except Exception as error:  # noqa: BLE001 - a defect here would take down every job of the worker
            _log.warning("rescue failed: %s", error, exc_info=not isinstance(error, PitcheyError))
            return
        for each in rescued:
            if each.rolled_forward is not None:
                await self._ends.roll_forward(each.rolled_forward)
            elif each.state.finished:
                await self._tell_of_end(each.job_id, batch_id)

    async def _tell_of_end(self, job_id: str, batch_id: str | None) -> None:
        """Of a job that the store itself has ended: it was lost too often, or cancelled when its worker died."""
        with contextlib.suppress(StoreError):
            record = await in_thread(self._store.get, job_id)
            if record is not None and batch_id in (None, record.batch_id):
                error = error_from_record(record.error) if record.error else None
                result = result_of(record)
                self._tell(JobSettled(job_id, record.type, record.status, error=error, result=result))
