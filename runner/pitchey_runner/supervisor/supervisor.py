"""The supervisor: claims jobs, gives them to slots, keeps their leases, and settles what comes back."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Final

import anyio
import anyio.to_thread

from pitchey_core.errors import OutOfSpace, PitcheyError, StoreError
from pitchey_core.host import Host
from pitchey_core.slots import Executor, forget_occupancy, open_occupancy
from pitchey_runner.store.interface import (
    JobRecord,
    JobStore,
    NewJob,
    Room,
)
from pitchey_runner.supervisor.changes import heed_changes
from pitchey_runner.supervisor.claiming import Claims
from pitchey_runner.supervisor.concluding import Ends
from pitchey_runner.supervisor.events import Teller, Watcher
from pitchey_runner.supervisor.held import Held
from pitchey_runner.supervisor.identity import this_worker
from pitchey_runner.supervisor.lanes import Lanes
from pitchey_runner.supervisor.leases import Leases
from pitchey_runner.supervisor.maintenance import Maintenance
from pitchey_runner.supervisor.orders import Orders
from pitchey_runner.supervisor.pace import Pace
from pitchey_runner.supervisor.policy import BACKOFF_BASE_SECONDS
from pitchey_runner.supervisor.pool import Pool
from pitchey_runner.supervisor.rescuing import Rescuer
from pitchey_runner.supervisor.settling import Settler
from pitchey_runner.supervisor.threads import first_of_ours, in_thread, kept_going, patiently

__all__ = ["Supervisor"]

_log = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 0.25


class Supervisor:
    """Works on the jobs of a store until it is drained or stopped.

    Args:
        store: Where the jobs are.
        host: The installed plugins under this host's settings.
        types: Job types to work on; default: every installed processor.
        batch_id: Only the jobs of this batch.
        max_slots: Most jobs at a time, whatever the host could take.
        watcher: Called with each :class:`~pitchey_runner.supervisor.events.Event`, in the event loop's thread.
        executor: Where slots run; default: what the settings say.
        backoff_base: Most seconds before the first retry.

    Attributes:
        interrupted: Whether it was asked to stop.
    """

    def __init__(
        self,
        store: JobStore,
        host: Host,
        *,
        types: Collection[str] | None = None,
        batch_id: str | None = None,
        max_slots: int | None = None,
        watcher: Watcher | None = None,
        executor: Executor | None = None,
        backoff_base: float = BACKOFF_BASE_SECONDS,
    ) -> None:
        installed = host.registry.processors
        self.store = store
        self.host = host
        self.types = sorted({host.registry.spec(name).name for name in types} if types else installed)
        self.batch_id = batch_id
        self.interrupted = False
        self._change = anyio.Event()
        self._me = this_worker(self.types, lease_seconds=host.settings.timing.lease)
        self._pool = Pool(host, executor or host.executor(), self._me.id, max_slots)
        self._held: dict[str, Held] = {}
        self._leases = Leases(store, self._me.id, host.settings.timing, self._held, self._room)
        self._patience = host.settings.timing.lease
        self._pace = Pace(host, self._pool)
        self._teller = Teller(watcher, host.registry, store)
        self._tell = self._teller.tell
        settler = Settler(store, host, backoff_base=backoff_base)
        self._ends = Ends(store, settler, self._held, self._tell, self._patience)
        self._lanes = Lanes(
            self._pool,
            self._pace,
            self._ends,
            Orders(host),
            self._leases,
            self._held,
            self._tell,
            lambda: self._change.set(),
            lambda: self.interrupted and self._one_shot is None,
        )
        self._claims = Claims(
            store,
            self._me,
            self._pool,
            self._pace,
            self._ends,
            self._held,
            self._lanes.start,
            self._lanes.ahead,
            lambda: self.interrupted,
            self._patience,
        )
        self._rescuer = Rescuer(store, host, self._me, self._ends, self._tell)
        self._one_shot: str | None = None

    # -- the public face ----------------------------------------------------------------------------------------

    async def run(self, *, drain: bool = False) -> None:
        """Work until :meth:`stop`, or, with ``drain``, until no job is left that is ready, runs or will be retried.

        SIGINT and SIGTERM are taken as :meth:`stop` while this runs in the main thread.

        Raises:
            StoreError: The store cannot be used.
        """
        await patiently(self.host.settings.timing.store_wait, self.store.register_worker, self._me)
        open_occupancy(self.host.settings.data_dir, self._me.id)
        await in_thread(self._teller.open)
        try:
            async with anyio.create_task_group() as background:
                if threading.current_thread() is threading.main_thread():
                    await background.start(self._heed_signals)
                background.start_soon(self._leases.beat_forever)
                background.start_soon(kept_going, "the look for cancellations", self._leases.poll_wishes)
                # Before the first claim, so that a drain sees what a dead worker has left.
                await self._rescue()
                background.start_soon(kept_going, "the rescue of dead workers' jobs", self._rescue_forever)
                background.start_soon(Maintenance(self.store, self.host.settings.retention).run)
                heed = partial(heed_changes, self.store, lambda: self._change.set())
                background.start_soon(kept_going, "the watch on the store", heed)
                if self.host.settings.slots.prewarm and not drain:
                    await self._pool.prewarm(self.types)
                async with anyio.create_task_group() as self._lanes.group:
                    await self._claim_in_order(drain)
                background.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise first_of_ours(group) from None
        finally:
            with anyio.CancelScope(shield=True):
                await self._pool.close()
                await self._ends.release(list(self._held.values()))
                forget_occupancy(self.host.settings.data_dir, self._me.id)
                with contextlib.suppress(StoreError, OutOfSpace):
                    await in_thread(self.store.remove_worker, self._me.id)
                await in_thread(self._teller.close)

    async def run_one(self, job: NewJob) -> JobRecord:
        """Enqueue one job as already claimed by this worker, see it through its retries, and return its record."""
        job = job if job.batch_id else replace(job, batch_id=f"run-{job.id}")
        self.batch_id = job.batch_id
        self.types = [job.type]
        self._one_shot = job.id
        await in_thread(self.store.register_worker, self._me)
        await in_thread(partial(self.store.enqueue, [job], claimed_by=self._me))
        for claimed in await in_thread(self.store.claimed, self._me.id):
            self._held[claimed.claim.job_id] = Held(claimed)
        await self.run(drain=True)
        record = await in_thread(self.store.get, job.id)
        if record is None:
            raise StoreError(f"job {job.id} was purged while it ran")
        return record

    def stop(self) -> None:
        """First call: claim nothing more and finish what runs. Second: kill what runs and give it back.

        A one-shot job (:meth:`run_one`) is cancelled by the first.
        """
        if self.interrupted:
            self._lanes.fast = True
        self.interrupted = True
        self._change.set()

    def _room(self) -> Room:
        room = self._claims.room(self.types)
        return replace(room, leaving=self.interrupted, batch_id=self.batch_id)

    # -- claiming -----------------------------------------------------------------------------------------------

    async def _claim_in_order(self, drain: bool) -> None:
        """Claim; where a defect ends that, what runs is finished all the same, and the worker ends then."""
        try:
            await self._claim_until_done(drain)
        except PitcheyError:
            raise
        except Exception:
            _log.exception("no more jobs can be claimed; the worker ends when those that run have ended")
            self.interrupted = True
            await self._claims.release_parked()
            await self._finish()
            raise

    async def _claim_until_done(self, drain: bool) -> None:
        await self._claims.start_held()
        while not self.interrupted:
            self._change = anyio.Event()
            if not await self._claims.take(self.types, self.batch_id):
                if drain and not self._held and await self._claims.drained(self.types, self.batch_id):
                    return
                await self._pool.reap()
            with anyio.move_on_after(_LOOK_SECONDS):
                await self._change.wait()
        await self._wind_down()

    # -- dead workers -------------------------------------------------------------------------------------------

    async def _rescue_forever(self) -> None:
        async with anyio.create_task_group() as watched:
            while True:
                await self._rescuer.wait(watched)
                await self._rescue()

    async def _rescue(self) -> None:
        if self._held:
            # The clock may have jumped past our own leases, or this host may have slept. What we still hold is not
            # lost; what only the store believes that we hold is.
            await self._leases.beat()
        await self._rescuer.rescue(self.batch_id)
        self._change.set()

    # -- stopping -----------------------------------------------------------------------------------------------

    async def _wind_down(self) -> None:
        """After the first signal: let what runs finish; after the second: kill it. A one-shot is cancelled at once."""
        if self._one_shot is not None:
            await in_thread(self.store.cancel, [self._one_shot])
            await self._leases.apply_cancellations()
        if self._one_shot is None:
            await self._claims.release_parked()
        await self._finish()

    async def _finish(self) -> None:
        while self._held and not self._lanes.fast:
            self._change = anyio.Event()
            with anyio.move_on_after(0.1):
                await self._change.wait()
        if self._lanes.fast:
            for slot in self._pool.busy:
                await slot.kill()

    async def _heed_signals(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                self.stop()
