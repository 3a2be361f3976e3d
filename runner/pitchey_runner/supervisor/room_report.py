"""What a worker says of its room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pitchey_core.capacity import Capacity
from pitchey_runner.store.interface import Lane, Need, Room
from pitchey_runner.supervisor.admission import Reservation
from pitchey_runner.supervisor.held import Held
from pitchey_runner.supervisor.pool import Pool

__all__ = ["room_now"]


def room_now(pool: Pool, held: Mapping[str, Held], needs: Sequence[Need], types: Iterable[str]) -> Room:
    """The room of a worker.

    Args:
        held: What it holds, by job id.
        needs: What waits.
        types: Those that it takes.
    """
    admission = pool.admission
    lanes: dict[Reservation, list[Held]] = {}
    for each in held.values():
        if each.reservation is not None:
            lanes.setdefault(each.reservation, []).append(each)
    here = admission.capacity
    spare = admission.spare_bytes
    return Room(
        Capacity(admission.vcpus, here.memory_bytes, here.gpus),
        tuple(
            Lane(
                members[0].job.type,
                members[0].job.claim.job_id,
                Capacity(reservation.vcpus, reservation.demand.memory_bytes, reservation.demand.gpus),
                1 if members[0].together else len(members),
            )
            for reservation, members in lanes.items()
        ),
        tuple(needs),
        {job_type: pool.obtainable(job_type) for job_type in types},
        spare if spare is not None and spare < here.memory_bytes - admission.reserved.memory_bytes else None,
        pool.most_in_all,
    )
