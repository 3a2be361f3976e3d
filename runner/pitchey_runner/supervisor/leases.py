"""Keeping what is claimed: heartbeats, cancellations, lost claims."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import anyio

from pitchey_core.errors import PitcheyError, StoreError
from pitchey_core.settings import TimingSettings
from pitchey_runner.store.interface import Directive, JobStore, Room
from pitchey_runner.supervisor.held import Held
from pitchey_runner.supervisor.pausing import freeze_and_thaw
from pitchey_runner.supervisor.threads import in_thread
from pitchey_runner.telemetry.host_load import HostMeter

__all__ = ["Leases"]

_log = logging.getLogger(__name__)
_NEWS_SECONDS: Final = 1.0
_OWN_SHARE: Final = 2 / 3
"""A slot may run for this share of the lease without news, so that it has stopped before anybody else may start."""


class Leases:
    """The claims of one worker.

    Args:
        held: What the worker holds, by job id; shared with the supervisor, which adds and removes.
        room: The worker's room as it is now.
    """

    def __init__(
        self,
        store: JobStore,
        worker_id: str,
        timing: TimingSettings,
        held: dict[str, Held],
        room: Callable[[], Room],
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._timing = timing
        self._held = held
        self._meter = HostMeter(Path("/"))
        self._room = room
        self._told: Room | None = None

    @property
    def slot_seconds(self) -> float:
        """How long a slot may run without a heartbeat."""
        return self._timing.lease * _OWN_SHARE

    async def beat_forever(self) -> None:
        """Beat until cancelled."""
        while True:
            await self._until_due()
            await self.beat()

    async def _until_due(self) -> None:
        """The next beat is due by the clock; or because something waits for room, or did, and that is news."""
        due = anyio.current_time() + self._timing.beat
        while (left := due - anyio.current_time()) > 0:
            await anyio.sleep(min(left, _NEWS_SECONDS))
            room, told = self._room(), self._told
            if told is None or room.leaving != told.leaving:
                return
            if (room.needs or told.needs) and (room.needs, room.lanes) != (told.needs, told.lanes):
                return

    async def beat(self) -> None:
        """Extend the leases of all held jobs in one statement, store their progress and usage, obey the answers."""
        held = list(self._held.values())
        beats = [each.beat() for each in held]
        room = self._room()
        try:
            load = self._meter.look()
            beat = partial(
                self._store.beat,
                cpu_percent=load.cpu_percent,
                memory_percent=load.memory_percent,
                room=room,
            )
            directives = await in_thread(beat, self._worker_id, beats)
            self._told = room
        except Exception as error:  # noqa: BLE001 - a defect here would take down every job of the worker
            # The leases run on; if this lasts, the wardens stop their jobs before anybody else may start them.
            _log.warning("heartbeat failed: %s", error, exc_info=not isinstance(error, PitcheyError))
            return
        for each, directive in zip(held, directives, strict=True):
            if directive is Directive.LOST and self._held.get(each.job.claim.job_id) is each:
                await self._lose(each)
            elif directive is Directive.CANCEL:
                await self._cancel(each)
            each.paused = directive is Directive.PAUSE
        await freeze_and_thaw([each for each in held if not each.lost and not each.cancelled])
        for slot in {each.slot for each in held if each.slot is not None and not each.lost}:
            await slot.extend_lease(self.slot_seconds)

    async def poll_wishes(self) -> None:
        """Look for cancellations and pauses more often than the heart beats."""
        while True:
            await anyio.sleep(self._timing.cancel_poll)
            if self._held:
                with contextlib.suppress(StoreError):
                    await self.apply_cancellations()
                    await self._apply_pauses()

    async def apply_cancellations(self) -> None:
        """Stop the jobs whose cancellation was asked for."""
        for claim in await in_thread(self._store.cancellations, self._worker_id):
            held = self._held.get(claim.job_id)
            if held is not None and held.job.claim == claim:
                await self._cancel(held)

    async def _apply_pauses(self) -> None:
        """Freeze the jobs that ought to stand still, and let the others go on."""
        held = list(self._held.values())
        paused = set(await in_thread(self._store.pauses, self._worker_id))
        for each in held:
            each.paused = each.job.claim in paused
        await freeze_and_thaw([each for each in held if not each.lost and not each.cancelled])

    async def _cancel(self, held: Held) -> None:
        if held.cancelled:
            return
        held.cancelled = True
        if held.slot is not None and (not held.together or self._alone(held)):
            await held.slot.cancel(held.key, grace_seconds=self._timing.kill_grace)

    async def _lose(self, held: Held) -> None:
        held.lost = True
        if held.slot is None:
            return
        if self._alone(held):
            await held.slot.kill()
        elif not held.together:
            await held.slot.cancel(held.key, grace_seconds=0.0)

    def _alone(self, held: Held) -> bool:
        """Whether no other live job is in its slot: a batch is stopped only when nobody in it is left to serve."""
        sharing = [each for each in self._held.values() if each.slot is held.slot and each is not held]
        return all(each.lost or each.cancelled for each in sharing)
