"""The ends of what a worker holds: settled, given back, or let go because it is another's by now."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

import anyio

from pitchey_core.errors import LeaseLost, OutOfSpace, PitcheyError, StoreError
from pitchey_core.slots import Outcome
from pitchey_runner.store.interface import ClaimedJob, JobStore
from pitchey_runner.supervisor.events import Event, JobSettled
from pitchey_runner.supervisor.held import Held
from pitchey_runner.supervisor.settling import Settler
from pitchey_runner.supervisor.threads import in_thread, patiently

__all__ = ["Ends"]

_log = logging.getLogger(__name__)


class Ends:
    """Ends what is held; whatever the store does meanwhile, nothing is raised.

    Args:
        held: What the worker holds, by job id; shared with the supervisor.
        patience: Seconds for which trouble with the store is outlasted.
    """

    def __init__(
        self,
        store: JobStore,
        settler: Settler,
        held: dict[str, Held],
        tell: Callable[[Event], None],
        patience: float,
    ) -> None:
        self._store = store
        self._settler = settler
        self._held = held
        self._tell = tell
        self._patience = patience

    async def settle(self, ended: Sequence[tuple[Held, Outcome]]) -> None:
        """The ends of attempts."""
        ours: list[tuple[Held, Outcome]] = []
        for held, outcome in ended:
            if not held.lost and not isinstance(outcome.error, LeaseLost):
                ours.append((held, outcome))
                continue
            self._forget(held)
            _log.warning("job %s is no longer ours; its outputs were dropped", held.job.claim.job_id)
            await self.drop(held, outcome)
        if ours:
            pairs = [(held.job, outcome) for held, outcome in ours]
            await self._conclude([held for held, _ in ours], partial(self._settler.settle, pairs))

    async def fail(self, held: Held, error: PitcheyError) -> None:
        """The end of an attempt that did not even start."""
        await self._conclude([held], lambda: [self._settler.fail(held.job, error)])

    async def roll_forward(self, job: ClaimedJob) -> None:
        """Publish and settle what was taken over from a dead worker."""
        self._held[job.claim.job_id] = held = Held(job)
        await self._conclude([held], lambda: [self._settler.roll_forward(job)])

    async def drop(self, held: Held, outcome: Outcome) -> None:
        """Remove what an attempt has left in its folders."""
        await in_thread(self._settler.drop, held.job, outcome)

    async def release(self, lane: list[Held], *, patient: bool = False) -> None:
        """Give back what was not run."""
        claims = [held.job.claim for held in lane if not held.lost]
        for held in lane:
            self._forget(held)
        if claims:
            try:
                await patiently(self._patience if patient else 0.0, self._store.release, claims)
            except (StoreError, OutOfSpace) as error:
                _log.error("%d jobs could not be given back and will be rescued: %s", len(claims), error)

    async def _conclude(
        self, ended: Sequence[Held], settle: Callable[[], Sequence[JobSettled | None]]
    ) -> None:
        """Settle; a settlement may be repeated, and until the lease runs out it is worth trying."""
        names = ", ".join(held.job.claim.job_id for held in ended[:3]) + (" …" if len(ended) > 3 else "")
        try:
            with anyio.CancelScope(shield=True):
                told = await patiently(self._patience, settle)
        except (StoreError, OutOfSpace) as error:
            _log.error("jobs %s could not be settled and will be rescued: %s", names, error)
            return
        except Exception:  # noqa: BLE001 - whatever a defect may raise
            # A defect, but these jobs': the others of this worker go on, and these are rescued like lost ones.
            _log.exception("jobs %s could not be settled and will be rescued", names)
            return
        finally:
            for held in ended:
                self._forget(held)
        for held, settled in zip(ended, told, strict=True):
            if settled is not None:
                self._tell(settled)
            else:
                what = "job %s was not settled: it is another worker's by now, or its outputs wait for space"
                _log.warning(what, held.job.claim.job_id)

    def _forget(self, held: Held) -> None:
        """Hold it no more. Under its id there may be a later claim by now, ours again, which stays."""
        if self._held.get(held.job.claim.job_id) is held:
            del self._held[held.job.claim.job_id]
