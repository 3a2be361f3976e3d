"""From a claimed job to the order that its slot gets."""

from __future__ import annotations

import shutil
from typing import Any

from pitchey_core.host import Host
from pitchey_core.order import JobOrder
from pitchey_core.storage import discard_stale
from pitchey_runner.store.interface import Claim, ClaimedJob

__all__ = ["discard_work", "order_for"]


def order_for(host: Host, job: ClaimedJob) -> JobOrder:
    """The order for a claimed job; removes what earlier attempts have left staged. Blocking.

    Raises:
        UnknownName, UsageError, ExtraMissing: The job cannot be run here.
    """
    overrides: dict[str, Any] = {"resources": job.instance_type}
    if job.wall_limit is not None:
        overrides["wall_limit"] = job.wall_limit
    order = host.order(
        job.type,
        job.payload,
        job_id=job.claim.job_id,
        base_dir=host.settings.data_dir,
        output=job.output,
        overwrite=job.overwrite,
        claim_seq=job.claim.claim_seq,
        attempt=job.attempt,
        memory_factor=job.memory_factor,
        overrides=overrides,
    )
    if job.output is not None and job.claim.claim_seq > 1:
        discard_stale(job.output, order.key)
    discard_work(host, job.claim, own=False)
    return order


def discard_work(host: Host, claim: Claim, *, own: bool = True) -> None:
    """Remove the work folders of a job's claims up to this one; those of killed runners nobody else removes."""
    for number in range(1, claim.claim_seq + own):
        folder = host.settings.data_dir / "work" / f"{claim.job_id}.{number}"
        shutil.rmtree(folder, ignore_errors=True)
