"""The supervisor: claims jobs, gives them to slots, keeps their leases, and settles what comes back."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import anyio
import anyio.to_thread

from pitchey_core.capacity import Capacity
from pitchey_core.errors import (
    Cancelled,
    LeaseLost,
    OutOfSpace,
    PitcheyError,
    StoreError,
    TransientError,
)
from pitchey_core.host import Host
from pitchey_core.order import JobOrder
from pitchey_core.slots import Executor, Outcome, Report, Slot, forget_occupancy, open_occupancy
from pitchey_runner.store.interface import (
    JobRecord,
    JobStore,
    NewJob,
)
from pitchey_runner.supervisor.admission import Reservation
from pitchey_runner.supervisor.changes import heed_changes
from pitchey_runner.supervisor.claiming import Claims
from pitchey_runner.supervisor.concluding import Ends
from pitchey_runner.supervisor.events import JobProgress, JobStarted, Teller, Watcher
from pitchey_runner.supervisor.held import Held, share_usage
from pitchey_runner.supervisor.identity import this_worker
from pitchey_runner.supervisor.leases import Leases
from pitchey_runner.supervisor.maintenance import Maintenance
from pitchey_runner.supervisor.orders import Orders
from pitchey_runner.supervisor.pace import Pace
from pitchey_runner.supervisor.policy import BACKOFF_BASE_SECONDS
from pitchey_runner.supervisor.pool import Pool
from pitchey_runner.supervisor.rescuing import Rescuer
from pitchey_runner.supervisor.settling import Settler
from pitchey_runner.supervisor.threads import first_of_ours, in_thread

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
        self._me = this_worker(self.types, lease_seconds=host.settings.timing.lease)
        self._pool = Pool(host, executor or host.executor(), self._me.id, max_slots)
        self._held: dict[str, Held] = {}
        self._leases = Leases(
            store, self._me.id, host.settings.timing, self._held, lambda: self._claims.room(self.types)
        )
        self._patience = host.settings.timing.lease
        self._pace = Pace(host, self._pool)
        self._orders = Orders(host)
        self._teller = Teller(watcher, host.registry, store)
        self._tell = self._teller.tell
        settler = Settler(store, host, backoff_base=backoff_base)
        self._ends = Ends(store, settler, self._held, self._tell, self._patience)
        self._claims = Claims(
            store,
            self._me,
            self._pool,
            self._pace,
            self._ends,
            self._held,
            self._start_lane,
            lambda: self.interrupted,
            self._patience,
        )
        self._rescuer = Rescuer(store, host, self._me, self._ends, self._tell)
        self._fast = False
        self._one_shot: str | None = None
        self._change = anyio.Event()
        self._lanes: anyio.abc.TaskGroup | None = None

    # -- the public face ----------------------------------------------------------------------------------------

    async def run(self, *, drain: bool = False) -> None:
        """Work until :meth:`stop`, or, with ``drain``, until no job is left that is ready, runs or will be retried.

        SIGINT and SIGTERM are taken as :meth:`stop` while this runs in the main thread.

        Raises:
            StoreError: The store cannot be used.
        """
        await in_thread(self.store.register_worker, self._me)
        open_occupancy(self.host.settings.data_dir, self._me.id)
        await in_thread(self._teller.open)
        try:
            async with anyio.create_task_group() as background:
                if threading.current_thread() is threading.main_thread():
                    await background.start(self._heed_signals)
                background.start_soon(self._leases.beat_forever)
                background.start_soon(self._leases.poll_wishes)
                # Before the first claim, so that a drain sees what a dead worker has left.
                await self._rescue()
                background.start_soon(self._rescue_forever)
                background.start_soon(Maintenance(self.store, self.host.settings.retention).run)
                background.start_soon(heed_changes, self.store, lambda: self._change.set())
                if self.host.settings.slots.prewarm and not drain:
                    await self._pool.prewarm(self.types)
                async with anyio.create_task_group() as self._lanes:
                    await self._claim_until_done(drain)
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
            self._fast = True
        self.interrupted = True
        self._change.set()

    # -- claiming -----------------------------------------------------------------------------------------------

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

    # -- a lane: one slot, the jobs of one claim ----------------------------------------------------------------

    def _start_lane(self, job_type: str, lane: list[Held], demand: Capacity) -> None:
        assert self._lanes is not None
        reservation = self._pool.reserve(job_type, demand)
        for held in lane:
            held.reservation = reservation
        self._lanes.start_soon(self._lane, job_type, lane, reservation)

    async def _lane(self, job_type: str, lane: list[Held], reservation: Reservation) -> None:
        try:
            if len(lane) > 1 and self._pace.takes_batches(job_type):
                await self._work(job_type, lane)
            elif len(lane) > 1 and self._pace.short(job_type):
                await self._work(job_type, lane, together=False)
            else:
                for held in lane:
                    if self.interrupted and self._one_shot is None:
                        break
                    await self._work(job_type, [held])
        finally:
            self._pool.release(job_type, reservation)
            unstarted = [held for held in lane if self._held.get(held.job.claim.job_id) is held]
            with anyio.CancelScope(shield=True):
                await self._ends.release(unstarted, patient=not self._fast)
            self._change.set()

    async def _work(self, job_type: str, batch: list[Held], *, together: bool = True) -> None:
        """Run jobs in one slot, in one call or one after another, and settle each."""
        orders = await self._ordered(batch)
        if not orders:
            return
        try:
            reservation = batch[0].reservation
            slot = await self._pool.obtain(job_type, reservation.devices if reservation else ())
        except OSError as error:
            for held, _ in orders:
                await self._ends.fail(
                    held, TransientError(f"no process could be started for the job: {error}")
                )
            return
        again: list[Held] = []
        try:
            await slot.extend_lease(self._leases.slot_seconds)
            # Up to here nobody could stop a job through its slot, from here on everybody can.
            stopped = [held for held, _ in orders if held.cancelled or held.lost or self._fast]
            began = time.monotonic()
            running = {order.key: (held, order) for held, order in orders if held not in stopped}
            for held, _ in running.values():
                held.slot, held.started, held.together = slot, began, together and len(running) > 1
                self._tell(JobStarted.of(held.job))
            if running:
                again = await self._run(slot, running, together)
        finally:
            await self._pool.give_back(slot)
        for held in stopped:
            await self._stop_before(held)
        if again and together:
            for held in again:
                await self._work(job_type, [held])
        elif again:
            await self._work(job_type, again, together=False)

    async def _run(
        self, slot: Slot, running: Mapping[str, tuple[Held, JobOrder]], together: bool
    ) -> list[Held]:
        """Run and settle what was handed to a slot; returns what has to run again."""
        again: list[Held] = []
        send, receive = anyio.create_memory_object_stream[list[Outcome]](math.inf)
        report = partial(self._report, {key: held for key, (held, _) in running.items()})

        async def settle() -> None:
            async for outcomes in receive:
                # What has come meanwhile goes into the same transaction.
                while receive.statistics().current_buffer_used:
                    outcomes += receive.receive_nowait()
                ended = [(running[each.order.key][0], each) for each in outcomes]
                again.extend(await self._settle(ended, alone=len(running) == 1 or not together))

        async with receive, anyio.create_task_group() as group, send:
            group.start_soon(settle)
            orders = [order for _, order in running.values()]
            await slot.run(orders, report, together=together, ended=send.send_nowait)
        return again

    async def _settle(self, ended: list[tuple[Held, Outcome]], *, alone: bool) -> list[Held]:
        """Settle what has ended; returns what is worth another run.

        Args:
            alone: No other job was in the same call, so that who died did it by itself.
        """
        again: list[Held] = []
        ends: list[tuple[Held, Outcome]] = []
        for held, outcome in ended:
            held.slot = None
            if (not outcome.begun or not alone) and self._deserves_another(held, outcome):
                held.spent = held.spent.plus(outcome.usage)
                # The same claim, so the same folders: what the dead call has left in them must not be found there.
                await self._ends.drop(held, outcome)
                again.append(held)
            elif not (self._fast and outcome.died):
                # What the second signal has killed is given back, not settled.
                self._pace.note(held.job.type, outcome.usage.wall_seconds)
                ends.append(
                    (
                        held,
                        replace(outcome, usage=outcome.usage.plus(held.spent))
                        if held.spent.wall_us
                        else outcome,
                    )
                )
        await self._ends.settle(ends)
        return again

    async def _ordered(self, batch: list[Held]) -> list[tuple[Held, JobOrder]]:
        """The orders of those that are still to be run."""
        orders: list[tuple[Held, JobOrder]] = []
        for held in batch:
            if held.lost or held.cancelled or self._fast:
                await self._stop_before(held)
                continue
            try:
                if len(batch) > 1 and held.job.claim.claim_seq == 1:
                    order = self._orders.order(held.job)
                else:
                    order = await in_thread(self._orders.prepare, held.job)
            except PitcheyError as error:
                await self._ends.fail(held, error)
                continue
            held.key, held.memory_bytes = order.key, order.limits.memory_bytes
            orders.append((held, order))
        return orders

    async def _stop_before(self, held: Held) -> None:
        """The end of a job that was stopped before it ran; one that is lost or given back is not ours to end."""
        if held.cancelled and not held.lost and not self._fast:
            await self._ends.fail(held, Cancelled("the job was cancelled before it started"))

    def _deserves_another(self, held: Held, outcome: Outcome) -> bool:
        """Whether another member of its batch may have taken it down; alone, each shows its own worth."""
        mine = held.cancelled or held.lost or self._fast or isinstance(outcome.error, LeaseLost)
        return outcome.died and not mine

    def _report(self, keys: dict[str, Held], report: Report) -> None:
        if report.key is None:
            # Of a call that many share, or of the one whose turn it is.
            members = [held for held in keys.values() if held.slot is not None]
            share_usage(members if members[0].together else members[:1], report)
            return
        held = keys[report.key]
        held.progress, held.message = report.fraction, report.message
        self._tell(JobProgress(held.job.claim.job_id, report.fraction, report.message, report.figures or {}))

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
        while self._held and not self._fast:
            self._change = anyio.Event()
            with anyio.move_on_after(0.1):
                await self._change.wait()
        if self._fast and self._lanes is not None:
            for slot in self._pool.busy:
                await slot.kill()

    async def _heed_signals(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                self.stop()
