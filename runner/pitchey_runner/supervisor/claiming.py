"""Takes from the line what the host has room for, and keeps what was claimed and does not fit until it does."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

import anyio

from pitchey_core.capacity import Capacity
from pitchey_core.errors import PitcheyError
from pitchey_runner.store.interface import (
    ClaimedJob,
    JobFilter,
    JobState,
    JobStore,
    Need,
    QueueRecord,
    Room,
    WorkerInfo,
)
from pitchey_runner.supervisor.ahead import Ahead
from pitchey_runner.supervisor.concluding import Ends
from pitchey_runner.supervisor.held import Held
from pitchey_runner.supervisor.pace import Pace
from pitchey_runner.supervisor.pool import Pool
from pitchey_runner.supervisor.room_report import room_now
from pitchey_runner.supervisor.threads import patiently

__all__ = ["Claims"]

StartLane = Callable[[str, list[Held], Capacity], None]


@dataclass(eq=False, slots=True)
class _Parked:
    """Claimed, and too large for what is free: the type of a job says what it may want, the job what it does."""

    job_type: str
    lane: list[Held]
    demand: Capacity


@dataclass(slots=True)
class Claims:
    """The claims of one worker.

    Args:
        held: What the worker holds, by job id; shared with the supervisor.
        start: Starts a lane, which reserves what it is given.
        ahead: What is claimed for lanes that are still busy.
        stopped: Whether nothing more shall be claimed.
        patience: Seconds for which trouble with the store is outlasted.
    """

    store: JobStore
    me: WorkerInfo
    pool: Pool
    pace: Pace
    ends: Ends
    held: dict[str, Held]
    start: StartLane
    ahead: Ahead
    stopped: Callable[[], bool]
    patience: float
    _parked: list[_Parked] = field(default_factory=list)
    _without_lane: frozenset[str] = frozenset()

    async def start_held(self) -> None:
        """What was enqueued as already claimed starts at once."""
        for held in list(self.held.values()):
            try:
                demand = self.pool.demand(held.job)
            except PitcheyError as error:
                await self.ends.fail(held, error)
            else:
                self.start(held.job.type, [held], demand)

    async def take(self, types: Collection[str], batch_id: str | None) -> int:
        """Start what fits, in the order of the line, small ones past large ones while these wait; says how many."""
        started = await self._unpark()
        ready, queues = await patiently(self.patience, partial(self._look, batch_id, self._most(types)))
        if ready:
            limits = [(each.name, each.limits.max_slots) for each in queues]
            self.pool.limits = {name: most for name, most in limits if most is not None}
        for job_type in types:
            if not ready.get(job_type):
                self.pool.admission.leave(job_type)
        ours = {
            job_type: ready[job_type] for job_type in self._in_turn([each for each in ready if each in types])
        }
        for job_type, waiting in ours.items():
            started += await self._take_type(job_type, waiting, batch_id)
        self._without_lane = frozenset(filter(self.pool.wants_lane, ours))
        # By now whoever waits for room is known to wait.
        for job_type, waiting in ours.items():
            if not any(self.pool.wants_lane(other) for other in ours if other != job_type):
                await self._take_ahead(job_type, waiting, batch_id)
        return started

    def _in_turn(self, types: Sequence[str]) -> list[str]:
        """Those in line for room first, as they came; then those who lacked a lane, as their jobs stand in line: to be
        large is no reason to have the next one as well. Of the others the larger first: small ones fit beside large
        ones, and large ones not beside many small ones.

        Args:
            types: As their jobs stand in line.
        """
        line = {who: place for place, (who, _, _) in enumerate(self.pool.admission.waiting)}

        def turn(job_type: str) -> tuple[int, float]:
            lacked = job_type in self._without_lane
            share = math.inf if lacked else self.pool.admission.share(self.pool.typical(job_type))
            return line.get(job_type, len(line)), -share

        return sorted(types, key=turn)

    def _look(self, batch_id: str | None, most: int) -> tuple[dict[str, int], list[QueueRecord]]:
        """What waits, and the limits of the queues. Blocking."""
        self.store.promote_due()
        ready = self.store.ready(batch_id, most=most)
        return ready, self.store.queues() if ready else []

    def _most(self, types: Collection[str]) -> int:
        """Of longer lines only so much is known as makes the largest claims."""
        return max(map(self.pace.most_at_once, types), default=1)

    async def _take_type(self, job_type: str, waiting: int, batch_id: str | None) -> int:
        if waiting and (linger := self.pace.linger(job_type, waiting)):
            await anyio.sleep(linger)
            look = partial(self.store.ready, batch_id, most=self._most([job_type]))
            ready = await patiently(self.patience, look)
            waiting = ready.get(job_type, 0)
        started = 0
        while waiting > 0 and await self._may_claim(job_type):
            jobs = await self._claim(job_type, waiting, batch_id)
            if not jobs:
                break
            waiting -= len(jobs)
            started += len(jobs)
            await self._place(job_type, jobs)
        return started

    async def _take_ahead(self, job_type: str, waiting: int, batch_id: str | None) -> None:
        while waiting > 0 and self._may_claim_ahead(job_type):
            jobs = await self._claim(job_type, waiting, batch_id)
            if not jobs:
                break
            waiting -= len(jobs)
            await self._place(job_type, jobs, ahead=True)

    async def _claim(self, job_type: str, waiting: int, batch_id: str | None) -> list[ClaimedJob]:
        limit = self.pace.claim_size(job_type, waiting)
        claim = partial(self.store.claim, self.me, job_type, limit, batch_id=batch_id)
        return await patiently(self.patience, claim)

    async def _may_claim(self, job_type: str) -> bool:
        if self.stopped() or not self.pool.has_lane(job_type):
            # Whom only the lanes of others keep out stays in line: they would be full again when it is next asked.
            if self.stopped() or not self.pool.wants_lane(job_type):
                self.pool.admission.leave(job_type)
            return False
        if any(each.job_type == job_type for each in self._parked):
            return False
        if self.pool.fits(self.pool.typical(job_type), job_type):
            return True
        await self.pool.make_room(job_type, self.pool.typical(job_type))
        return False

    def _may_claim_ahead(self, job_type: str) -> bool:
        """Whether a busy lane may be given more. Not where somebody else waits for the room that it has."""
        return (
            not self.stopped()
            and not self._parked
            and self.ahead.wants(job_type)
            and not self.pool.admission.has_others_than(job_type)
        )

    async def _place(self, job_type: str, jobs: Sequence[ClaimedJob], *, ahead: bool = False) -> None:
        """One lane for those of a claim that reserve the same; with ``ahead`` one that is there."""
        held = [Held(job) for job in jobs]
        self.held.update({each.job.claim.job_id: each for each in held})
        unplaced = list(held)
        try:
            for _, group in groupby(held, lambda each: (each.job.instance_type, each.job.memory_factor)):
                lane = list(group)
                await self._place_lane(job_type, lane, ahead=ahead)
                del unplaced[: len(lane)]
        except Exception:
            # A defect: they are in nobody's hands, and would be held for ever.
            await self.ends.release(unplaced, patient=True)
            raise

    async def _place_lane(self, job_type: str, lane: list[Held], *, ahead: bool) -> None:
        try:
            demand = self.pool.demand(lane[0].job)
        except PitcheyError as error:
            for each in lane:
                await self.ends.fail(each, error)
            return
        if ahead and self.ahead.put(job_type, demand, lane):
            return
        parked = _Parked(job_type, lane, demand)
        if not self._start(parked):
            self._parked.append(parked)

    def _start(self, parked: _Parked) -> bool:
        if self.pool.has_lane(parked.job_type) and self.pool.fits(parked.demand, parked):
            self.start(parked.job_type, parked.lane, parked.demand)
            return True
        return False

    async def _unpark(self) -> int:
        """Start what fits by now; what was cancelled or lost meanwhile comes to its end in its lane."""
        before = len(self._parked)
        for parked in list(self._parked):
            gone = all(each.cancelled or each.lost for each in parked.lane)
            if gone:
                self.pool.admission.leave(parked)
                self.start(parked.job_type, parked.lane, Capacity(0.0, 0))
            if gone or self._start(parked):
                self._parked.remove(parked)
        if self._parked:
            await self.pool.make_room(self._parked[0].job_type, self._parked[0].demand)
        return before - len(self._parked)

    def room(self, types: Iterable[str]) -> Room:
        """What the worker says of its room for jobs of these types."""
        return room_now(self.pool, self.held, self._needs(), types)

    def _needs(self) -> tuple[Need, ...]:
        found = []
        for who, wanted, kept in self.pool.admission.waiting:
            if isinstance(who, _Parked):
                ids = tuple(each.job.claim.job_id for each in who.lane)
                found.append(Need(who.job_type, wanted, ids, kept))
            else:
                found.append(Need(str(who), wanted, kept=kept))
        return tuple(found)

    async def drained(self, types: Collection[str], batch_id: str | None) -> bool:
        """Whether there is nothing left to do, for anybody."""
        # Also those of other workers: should one die, its jobs are for us to finish.
        elsewhere = JobFilter([JobState.PROCESSING], types, batch_id)
        retries = JobFilter([JobState.SCHEDULED], types, batch_id, started=True)
        # A job moves on between two questions. They follow its way from one state to the next, so that none is missed;
        # and begin with the end, which may be the beginning of another job, or of a retry.
        questions: Sequence[Callable[[], object]] = (
            partial(self.store.list, elsewhere, limit=1),
            partial(self.store.list, retries, limit=1),
            partial(self.store.waits_for_rate, types, batch_id),
            partial(self._any_ready, types, batch_id),
            partial(self.store.list, elsewhere, limit=1),
        )
        for question in questions:
            if await patiently(self.patience, question):
                return False
        return True

    def _any_ready(self, types: Collection[str], batch_id: str | None) -> bool:
        ready = self.store.ready(batch_id, most=1)
        return any(ready.get(job_type) for job_type in types)

    async def release_parked(self) -> None:
        """Give back what was claimed and never started."""
        parked, self._parked = self._parked, []
        for each in parked:
            self.pool.admission.leave(each)
            await self.ends.release(each.lane, patient=True)
        for group in self.ahead.give_up():
            await self.ends.release(group, patient=True)
