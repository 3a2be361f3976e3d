"""Conformance of a job store: what workers say of their room, and why a job has none."""

from __future__ import annotations

from datetime import timedelta

from pitchey_core.capacity import Capacity
from pitchey_core.resources import GIB
from pitchey_runner.store.interface import Beat, JobStore, Lane, Need, Reason, ReasonKind, Room
from pitchey_runner.testing.store_samples import ManualClock, job, one_claimed, worker

__all__ = ["RoomChecks"]


class RoomChecks:
    """A job that somebody could start now has no such reason."""

    def test_why_a_job_has_no_room(self, store: JobStore, clock: ManualClock) -> None:
        holder = one_claimed(store, worker()).claim
        waiting = job()
        store.enqueue([waiting])
        assert kinds(store, waiting.id) == [ReasonKind.POSITION]
        lane = Lane("video", holder.job_id, Capacity(2.0, 3 * GIB, gpus=1))
        need = Need("video", Capacity(1.0, 2 * GIB, gpus=1))
        room = Room(Capacity(4.0, 4 * GIB, gpus=1), (lane,), (need,), {"video": 2})
        store.beat("w1", [Beat(holder, 0.25)], room=room)
        store.beat("w1", [Beat(holder)])
        (known,) = store.workers()
        assert known.room == room
        clock.advance(20)
        store.beat("w1", [Beat(holder)])
        memory, gpus, _ = waits(store, waiting.id)
        assert (memory.kind, memory.name, memory.wanted, memory.free) == (
            ReasonKind.RESOURCES,
            "memory",
            2 * GIB,
            GIB,
        )
        assert (gpus.name, gpus.wanted, gpus.free) == ("gpus", 1, 0)
        assert (memory.held_by, memory.host) == ((holder.job_id,), "host")
        # A quarter took twenty seconds.
        assert memory.until == store.now() + timedelta(seconds=60)
        assert waits(store, holder.job_id) == ()
        # Another worker may have room, or has not said so far.
        store.register_worker(worker("w2"))
        assert kinds(store, waiting.id) == [ReasonKind.POSITION]
        store.beat("w2", [], room=Room(Capacity(4.0, 4 * GIB), slots={"video": 0}))
        assert kinds(store, waiting.id)[0] is ReasonKind.RESOURCES
        explanation = store.why(waiting.id)
        assert explanation is not None
        assert explanation.slots == 2

    def test_why_a_claimed_job_has_no_room_and_why_what_is_free_is_kept(self, store: JobStore) -> None:
        claimed = one_claimed(store, worker()).claim
        other = job("code")
        store.enqueue([other])
        first = Need("video", Capacity(4.0, 2 * GIB), (claimed.job_id,), kept=True)
        second = Need("code", Capacity(1.0, GIB))
        room = Room(
            Capacity(4.0, 4 * GIB), needs=(first, second), slots={"video": 1, "code": 1}, spare_bytes=GIB
        )
        store.beat("w1", [Beat(claimed)], room=room)
        (memory,) = waits(store, claimed.job_id)
        assert (memory.name, memory.wanted, memory.free, memory.held_by) == ("memory", 2 * GIB, GIB, ())
        kept = waits(store, other.id)[0]
        assert (kept.name, kept.held_by, kept.until) == ("kept", (claimed.job_id,), None)


def waits(store: JobStore, job_id: str) -> tuple[Reason, ...]:
    explanation = store.why(job_id)
    assert explanation is not None
    return explanation.reasons


def kinds(store: JobStore, job_id: str) -> list[ReasonKind]:
    return [each.kind for each in waits(store, job_id)]
