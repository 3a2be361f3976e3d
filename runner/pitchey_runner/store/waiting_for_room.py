"""Why a job does not fit in beside what runs, and when it will: from what workers have said of their room."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pitchey_core.capacity import Capacity
from pitchey_runner.store.queue_records import ALL_QUEUES, Reason, ReasonKind
from pitchey_runner.store.records import JobRecord, JobState
from pitchey_runner.store.room import Lane, Need, Room

__all__ = ["WorkerRoom", "at_once", "lane_seconds", "remaining_seconds", "why_no_room"]

_SHOWN = 10
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class WorkerRoom:
    """A live worker that takes jobs of a type.

    Attributes:
        room: As it last said; ``None``: it has not said so far.
        remaining: For each lane of the room, in how many seconds it will probably be free; ``None``: nobody knows.
    """

    host: str
    room: Room | None = None
    remaining: Sequence[float | None] = ()


def remaining_seconds(job: JobRecord | None, now: datetime, typical: float | None) -> float | None:
    """How long a job will probably still run, by its progress or by what such jobs take; ``None``: nobody knows.

    Args:
        typical: Seconds that such jobs take.
    """
    if job is None or job.status is not JobState.PROCESSING or job.started_at is None:
        return 0.0
    if job.pause_requested:
        return None
    elapsed = max(0.0, (now - job.started_at).total_seconds())
    if job.progress:
        return elapsed * (1 - job.progress) / job.progress
    return None if typical is None else max(0.0, typical - elapsed)


def lane_seconds(lane: Lane, job: JobRecord | None, now: datetime, typical: float | None) -> float | None:
    """The same for all jobs of a lane, of which ``job`` is the first."""
    first = remaining_seconds(job, now, typical)
    if first is None or lane.jobs == 1:
        return first
    return None if typical is None else first + (lane.jobs - 1) * typical


def at_once(job_type: str, workers: Sequence[WorkerRoom]) -> int | None:
    """How many slots of a type there may be at a time, on all workers; ``None``: one has not said so far."""
    rooms = [each.room for each in workers]
    known = [each.slots.get(job_type, 0) for each in rooms if each is not None]
    return sum(known) if known and len(known) == len(rooms) else None


def why_no_room(job: JobRecord, now: datetime, workers: Sequence[WorkerRoom]) -> Iterator[Reason]:
    """What a job waits for that is next in line, or that a worker has claimed; nothing where somebody can start it.

    Of several workers, the one counts that will probably have room first.
    """
    found: list[tuple[float, list[Reason]]] = []
    for worker in workers:
        if worker.room is None:
            if job.status is JobState.PENDING:
                return
            continue
        need = _need(job, worker.room)
        if need is not None:
            wait = _fits_after(need.wanted, worker.room, worker.remaining)
            found.append((math.inf if wait is None else wait, list(_lacking(need, worker, _at(now, wait)))))
        elif job.status is JobState.PENDING:
            lanes = [n for n, each in enumerate(worker.room.lanes) if each.type == job.type]
            most, whose = worker.room.slots.get(job.type, 0), job.type
            in_all = worker.room.in_all
            if len(lanes) < most and in_all is not None and len(worker.room.lanes) >= in_all:
                lanes, most, whose = list(range(len(worker.room.lanes))), in_all, ALL_QUEUES
            if len(lanes) < most:
                return
            waits = [_or_never(worker.remaining[n]) for n in lanes]
            wait = min(waits, default=math.inf)
            busy = Reason(
                ReasonKind.SLOTS,
                whose,
                len(lanes),
                most,
                until=_at(now, None if wait == math.inf else wait),
                held_by=tuple(worker.room.lanes[n].job_id for n in lanes[:_SHOWN]),
                host=worker.host,
            )
            found.append((wait, [busy]))
    if found:
        yield from min(found, key=lambda each: each[0])[1]


def _need(job: JobRecord, room: Room) -> Need | None:
    """The need of a room that keeps the job waiting: of its claim, or of those of its type that come before it."""
    for each in room.needs:
        mine = job.id in each.job_ids if job.status is JobState.PROCESSING else job.type == each.type
        if mine:
            return each
    return None


def _lacking(need: Need, worker: WorkerRoom, until: datetime | None) -> Iterator[Reason]:
    room = worker.room
    assert room is not None
    free, wanted = room.free, need.wanted
    lanes = sorted(room.lanes, key=lambda each: -each.reserved.memory_bytes)
    lacking = 0
    for name, want, have in (
        ("memory", wanted.memory_bytes, free.memory_bytes),
        ("vcpus", wanted.vcpus, free.vcpus),
        ("gpus", wanted.gpus, free.gpus),
    ):
        if want > have + _EPSILON:
            lacking += 1
            holders = [each.job_id for each in lanes if name != "gpus" or each.reserved.gpus]
            yield Reason(
                ReasonKind.RESOURCES,
                name,
                until=until,
                wanted=want,
                free=have,
                held_by=tuple(holders[:_SHOWN]),
                host=worker.host,
            )
    first = next((each for each in room.needs if each.kept and each is not need), None)
    if not lacking and first is not None:
        # What is free is kept for one that has waited longer.
        yield Reason(
            ReasonKind.RESOURCES,
            "kept",
            held_by=first.job_ids or (first.type,),
            host=worker.host,
        )


def _fits_after(wanted: Capacity, room: Room, remaining: Sequence[float | None]) -> float | None:
    """Seconds until enough lanes have ended; ``None``: nobody knows."""
    free, wait = room.free, 0.0
    ends = sorted(zip(map(_or_never, remaining), room.lanes, strict=True), key=lambda each: each[0])
    for after, lane in ends:
        if _fits(wanted, free):
            break
        free = Capacity(
            free.vcpus + lane.reserved.vcpus,
            free.memory_bytes + lane.reserved.memory_bytes,
            free.gpus + lane.reserved.gpus,
        )
        wait = after
    return wait if _fits(wanted, free) and wait < math.inf else None


def _fits(wanted: Capacity, free: Capacity) -> bool:
    return (
        wanted.vcpus <= free.vcpus + _EPSILON
        and wanted.memory_bytes <= free.memory_bytes
        and wanted.gpus <= free.gpus
    )


def _or_never(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds


def _at(now: datetime, wait: float | None) -> datetime | None:
    return None if wait is None else now + timedelta(seconds=wait)
