"""From claimed jobs to the orders that their slots get."""

from __future__ import annotations

import shutil
from typing import Any

from pitchey_core.host import Host
from pitchey_core.order import JobOrder
from pitchey_core.storage import discard_stale
from pitchey_runner.store.interface import Claim, ClaimedJob

__all__ = ["Orders", "discard_work"]


class Orders:
    """Makes the orders of claimed jobs. What jobs of a kind have in common is worked out once."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._models: dict[tuple[Any, ...], JobOrder] = {}

    def order(self, job: ClaimedJob) -> JobOrder:
        """The order for a claimed job.

        Raises:
            UnknownName: No installed plugin runs it, or its instance type does not exist here.
        """
        kind = (job.type, job.instance_type, job.wall_limit, job.memory_factor)
        model = self._models.get(kind)
        if model is None:
            model = self._models[kind] = self._model(job)
        # Claimed jobs are as they were normalised when they were enqueued; the slot validates them again.
        return JobOrder(
            job.claim.job_id,
            job.claim.claim_seq,
            job.attempt,
            model.spec,
            job.payload,
            model.limits,
            model.base_dir,
            model.plugin_version,
            job.output,
            job.overwrite,
            model.tools,
            model.fetch_policy,
            model.options,
        )

    def prepare(self, job: ClaimedJob) -> JobOrder:
        """The order for a claimed job, and removes what its earlier claims have left in its folders. Blocking.

        Raises:
            UnknownName: As :meth:`order`.
        """
        order = self.order(job)
        if job.output is not None and job.claim.claim_seq > 1:
            discard_stale(job.output, order.key)
        discard_work(self._host, job.claim, own=False)
        return order

    def _model(self, job: ClaimedJob) -> JobOrder:
        overrides: dict[str, Any] = {"resources": job.instance_type}
        if job.wall_limit is not None:
            overrides["wall_limit"] = job.wall_limit
        return self._host.order(
            job.type,
            {},
            job_id="",
            base_dir=self._host.settings.data_dir,
            memory_factor=job.memory_factor,
            overrides=overrides,
            normalised=True,
        )


def discard_work(host: Host, claim: Claim, *, own: bool = True) -> None:
    """Remove the work folders of a job's claims up to this one; those of killed runners nobody else removes."""
    for number in range(1, claim.claim_seq + own):
        folder = host.settings.data_dir / "work" / f"{claim.job_id}.{number}"
        shutil.rmtree(folder, ignore_errors=True)
