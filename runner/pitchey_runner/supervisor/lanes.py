"""Lanes: one slot each, and the jobs of one claim after another in it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import anyio
import anyio.abc

from pitchey_core.capacity import Capacity
from pitchey_core.errors import Cancelled, LeaseLost, PitcheyError, TransientError
from pitchey_core.order import JobOrder
from pitchey_core.slots import Outcome, Report
from pitchey_runner.supervisor.admission import Reservation
from pitchey_runner.supervisor.ahead import Ahead
from pitchey_runner.supervisor.concluding import Ends
from pitchey_runner.supervisor.events import Event, JobProgress, JobStarted
from pitchey_runner.supervisor.held import Held, share_usage
from pitchey_runner.supervisor.leases import Leases
from pitchey_runner.supervisor.orders import Orders
from pitchey_runner.supervisor.pace import Pace
from pitchey_runner.supervisor.pool import Pool
from pitchey_runner.supervisor.threads import in_thread

__all__ = ["Lanes"]

_log = logging.getLogger(__name__)
_AT_A_SLOT = 2
"""Groups of short jobs: one at work, and one whose orders are ready."""
_GATHER_SECONDS = 0.04
"""How much later than at its end a short job may be settled, while others of its group still run."""
_WORTH_IT = 50
"""So many ends are settled without waiting for more."""


class Lanes:
    """Runs what was claimed.

    Args:
        held: What the worker holds, by job id; shared with the supervisor.
        change: Called where there may be room for more, or something to claim ahead.
        stopped: Whether no job shall begin any more.

    Attributes:
        group: Where lanes run.
        ahead: What lanes of short jobs go on with.
        fast: Whether what runs is to be killed and given back.
    """

    def __init__(
        self,
        pool: Pool,
        pace: Pace,
        ends: Ends,
        orders: Orders,
        leases: Leases,
        held: dict[str, Held],
        tell: Callable[[Event], None],
        change: Callable[[], None],
        stopped: Callable[[], bool],
    ) -> None:
        self.group: anyio.abc.TaskGroup | None = None
        self.ahead = Ahead()
        self.fast = False
        self._pool = pool
        self._pace = pace
        self._ends = ends
        self._orders = orders
        self._leases = leases
        self._held = held
        self._tell = tell
        self._change = change
        self._stopped = stopped

    def start(self, job_type: str, lane: list[Held], demand: Capacity) -> None:
        """Start a lane, which reserves what it is given."""
        assert self.group is not None
        reservation = self._pool.reserve(job_type, demand)
        goes_on = self._pace.short(job_type) and not self._stopped()
        if goes_on:
            self.ahead.join(job_type, demand)
        self.group.start_soon(self._lane, job_type, lane, demand, reservation, goes_on)

    async def _lane(
        self, job_type: str, lane: list[Held], demand: Capacity, reservation: Reservation, goes_on: bool
    ) -> None:
        try:
            if goes_on:
                await self._go_on(job_type, lane, demand, reservation)
            else:
                await self._run_claim(job_type, lane, reservation)
        except Exception as error:  # noqa: BLE001 - whatever a defect may raise
            await self._blame(lane, error)
        finally:
            if goes_on:
                self.ahead.leave(job_type, demand)
            self._pool.release(job_type, reservation)
            self._change()

    async def _run_claim(self, job_type: str, lane: list[Held], reservation: Reservation) -> None:
        """Run the jobs of one claim, and give back those that were not begun."""
        for held in lane:
            held.reservation = reservation
        try:
            if len(lane) > 1 and self._pace.takes_batches(job_type):
                await self._work(job_type, lane, _Turn().once_more())
            elif len(lane) > 1 and self._pace.short(job_type):
                await self._work(job_type, lane, _Turn().once_more(), together=False)
            else:
                for held in lane:
                    if self._stopped():
                        break
                    await self._work(job_type, [held], _Turn().once_more())
        except Exception as error:  # noqa: BLE001 - whatever a defect may raise
            await self._blame(lane, error)
        finally:
            await self._release(lane)

    async def _go_on(
        self, job_type: str, lane: list[Held], demand: Capacity, reservation: Reservation
    ) -> None:
        """Run short jobs, and then what was claimed ahead: the slot waits neither for claims nor for settlements."""
        turn = _Turn(self.ahead.wake)
        group: list[Held] | None = lane
        while group is not None:
            async with anyio.create_task_group() as works:
                while group is not None or turn.groups:
                    if group is not None:
                        works.start_soon(self._work_group, job_type, group, reservation, turn.once_more())
                    group = self._next(job_type, demand) if turn.groups < _AT_A_SLOT else None
                    if group is None and turn.groups:
                        await self.ahead.news()
                        group = self._next(job_type, demand) if turn.groups < _AT_A_SLOT else None
            group = self._next(job_type, demand)

    def _next(self, job_type: str, demand: Capacity) -> list[Held] | None:
        group = None if self._stopped() else self.ahead.take(job_type, demand)
        if group is not None:
            self._change()
        return group

    async def _work_group(
        self, job_type: str, group: list[Held], reservation: Reservation, turn: _Turn
    ) -> None:
        for held in group:
            held.reservation = reservation
        try:
            await self._work(job_type, group, turn, together=False)
        except Exception as error:  # noqa: BLE001 - whatever a defect may raise
            await self._blame(group, error)
        finally:
            await self._release(group)

    async def _blame(self, group: list[Held], error: Exception) -> None:
        """A defect costs the jobs that it met an attempt, so that they do not come back for ever; the others go on."""
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        _log.error("the work on %d jobs failed in the worker itself", len(group), exc_info=error)
        if not isinstance(error, PitcheyError):
            what = f"the worker failed while it had this job: {type(error).__name__}: {error}"
            error = TransientError(what, remedy="this is a defect; the log of the worker shows where")
        for held in group:
            if not self.fast and self._held.get(held.job.claim.job_id) is held:
                await self._ends.fail(held, error)

    async def _release(self, group: list[Held]) -> None:
        """Give back what was not begun."""
        unstarted = [held for held in group if self._held.get(held.job.claim.job_id) is held]
        with anyio.CancelScope(shield=True):
            await self._ends.release(unstarted, patient=not self.fast)

    async def _work(self, job_type: str, batch: list[Held], turn: _Turn, *, together: bool = True) -> None:
        """Run jobs in one slot, in one call or one after another, and settle each."""
        orders = await self._ordered(batch)
        running: dict[str, tuple[Held, JobOrder]] = {}
        again: list[Held] = []
        stopped: list[Held] = []
        send, receive = anyio.create_memory_object_stream[list[Outcome]](math.inf)

        gathered = _Gathered()

        async def settle() -> None:
            async for outcomes in receive:
                if not together:
                    await gathered.enough(len(running))
                # What has come meanwhile goes into the same transaction.
                while receive.statistics().current_buffer_used:
                    outcomes += receive.receive_nowait()
                gathered.taken(len(outcomes))
                ended = [(running[each.order.key][0], each) for each in outcomes]
                again.extend(await self._settle(ended, alone=len(running) == 1 or not together))

        def end(outcomes: list[Outcome]) -> None:
            for each in outcomes:
                running[each.order.key][0].slot = None
            gathered.came(len(outcomes))
            send.send_nowait(outcomes)

        async with receive, anyio.create_task_group() as group, send:
            group.start_soon(settle)
            async with turn:
                # What stood behind another group when the worker was stopped is given back.
                if orders and not (turn.shared and self._stopped()):
                    stopped = await self._occupy(job_type, orders, running, end, together)
        for held in stopped:
            await self._stop_before(held)
        if again and together:
            for held in again:
                await self._work(job_type, [held], turn.once_more())
        elif again:
            await self._work(job_type, again, turn.once_more(), together=False)

    async def _occupy(
        self,
        job_type: str,
        orders: list[tuple[Held, JobOrder]],
        running: dict[str, tuple[Held, JobOrder]],
        end: Callable[[list[Outcome]], None],
        together: bool,
    ) -> list[Held]:
        """Hand orders to a slot until all have ended; returns what was stopped before it got there.

        Args:
            running: Where to note by key what is handed over.
            end: Takes outcomes as they come.
        """
        reservation = orders[0][0].reservation
        try:
            slot = await self._pool.obtain(job_type, reservation.devices if reservation else ())
        except OSError as error:
            for held, _ in orders:
                await self._ends.fail(
                    held, TransientError(f"no process could be started for the job: {error}")
                )
            return []
        try:
            await slot.extend_lease(self._leases.slot_seconds)
            # Up to here nobody could stop a job through its slot, from here on everybody can.
            stopped = [held for held, _ in orders if held.cancelled or held.lost or self.fast]
            began = time.monotonic()
            running.update({order.key: (held, order) for held, order in orders if held not in stopped})
            for held, _ in running.values():
                held.slot, held.started, held.together = slot, began, together and len(running) > 1
                self._tell(JobStarted.of(held.job))
            if running:
                report = partial(self._report, {key: held for key, (held, _) in running.items()})
                await slot.run([order for _, order in running.values()], report, together=together, ended=end)
        finally:
            await self._pool.give_back(slot)
        return stopped

    async def _settle(self, ended: list[tuple[Held, Outcome]], *, alone: bool) -> list[Held]:
        """Settle what has ended; returns what is worth another run.

        Args:
            alone: No other job was in the same call, so that who died did it by itself.
        """
        again: list[Held] = []
        ends: list[tuple[Held, Outcome]] = []
        for held, outcome in ended:
            if (not outcome.begun or not alone) and self._deserves_another(held, outcome):
                held.spent = held.spent.plus(outcome.usage)
                # The same claim, so the same folders: what the dead call has left in them must not be found there.
                await self._ends.drop(held, outcome)
                again.append(held)
            elif not (self.fast and outcome.died):
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
            if held.lost or held.cancelled or self.fast:
                await self._stop_before(held)
                continue
            try:
                if held.job.claim.claim_seq == 1:
                    order = self._orders.order(held.job)
                else:
                    order = await in_thread(self._orders.prepare, held.job)
            except PitcheyError as error:
                await self._ends.fail(held, error)
                continue
            except Exception as error:  # noqa: BLE001 - whatever a defect may raise
                await self._blame([held], error)
                continue
            held.key, held.memory_bytes = order.key, order.limits.memory_bytes
            orders.append((held, order))
        return orders

    async def _stop_before(self, held: Held) -> None:
        """The end of a job that was stopped before it ran; one that is lost or given back is not ours to end."""
        if held.cancelled and not held.lost and not self.fast:
            await self._ends.fail(held, Cancelled("the job was cancelled before it started"))

    def _deserves_another(self, held: Held, outcome: Outcome) -> bool:
        """Whether another member of its batch may have taken it down; alone, each shows its own worth."""
        mine = held.cancelled or held.lost or self.fast or isinstance(outcome.error, LeaseLost)
        return outcome.died and not mine

    def _report(self, keys: dict[str, Held], report: Report) -> None:
        if report.key is None:
            # Of a call that many share, or of the one whose turn it is.
            members = [held for held in keys.values() if held.slot is not None]
            if members:
                share_usage(members if members[0].together else members[:1], report)
            return
        held = keys[report.key]
        held.progress, held.message = report.fraction, report.message
        self._tell(JobProgress(held.job.claim.job_id, report.fraction, report.message, report.figures or {}))


class _Gathered:
    """Ends of short jobs that wait for their neighbours': a transaction for each would cost more than the job does."""

    def __init__(self) -> None:
        self._came = self._taken = 0
        self._news = anyio.Event()

    def came(self, count: int) -> None:
        self._came += count
        self._news.set()

    def taken(self, count: int) -> None:
        self._taken += count

    async def enough(self, all_of_them: int) -> None:
        """Wait until it is worth a transaction, not longer than anybody would notice."""
        with anyio.move_on_after(_GATHER_SECONDS):
            while self._came < all_of_them and self._came - self._taken < _WORTH_IT:
                self._news = anyio.Event()
                await self._news.wait()


class _Turn:
    """The right to the slot of a lane: one group at a time.

    Args:
        over: Called when a group has had it; only lanes that go on need to know.

    Attributes:
        groups: How many have or want it.
        shared: Whether more than one may.
    """

    def __init__(self, over: Callable[[], None] | None = None) -> None:
        self.groups = 0
        self.shared = over is not None
        self._over = over
        self._lock = anyio.Lock()

    def once_more(self) -> _Turn:
        """For a group that wants it again."""
        self.groups += 1
        return self

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()
        self.groups -= 1
        if self._over is not None:
            self._over()
