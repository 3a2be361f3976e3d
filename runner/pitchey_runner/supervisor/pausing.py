"""Stops running jobs where they are, and lets them go on."""

from __future__ import annotations

from collections.abc import Collection

from pitchey_runner.supervisor.held import Held

__all__ = ["freeze_and_thaw"]


async def freeze_and_thaw(held: Collection[Held]) -> None:
    """Make every slot stand still whose job is paused, and go on whose is not.

    A call that several jobs share is stopped when all of them are paused. A frozen job keeps its lease and its
    memory, and gives back its vCPUs.
    """
    for slot in {each.slot for each in held if each.slot is not None}:
        members = [each for each in held if each.slot is slot]
        # Where jobs run one after another, it is the turn of the first that has not ended.
        deciding = members if members[0].together else members[:1]
        paused = all(each.paused for each in deciding)
        reservation = members[0].reservation
        if reservation is None or reservation.frozen == paused:
            continue
        reservation.frozen = paused
        if paused:
            await slot.freeze()
        else:
            await slot.thaw()
