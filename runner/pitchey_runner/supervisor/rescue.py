"""Clearing up after workers that died on this host: first their processes, then their jobs."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from pitchey_core.host import Host
from pitchey_core.process import kill_tree, process_start_ticks, processes_with_tag
from pitchey_core.process.cgroups import remove_leftovers
from pitchey_core.slots import forget_occupancy, occupants
from pitchey_core.storage import discard_stale
from pitchey_runner.store.interface import ClaimedJob, JobStore, Rescue, WorkerInfo
from pitchey_runner.supervisor.identity import is_dead_here
from pitchey_runner.supervisor.lookout import Lookout
from pitchey_runner.supervisor.orders import discard_work

__all__ = ["rescue"]

_log = logging.getLogger(__name__)
_SILENT_LEASES: Final = 10
"""After so many leases without a sign of life a worker that holds nothing is forgotten."""
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rescue(store: JobStore, me: WorkerInfo, host: Host, lookout: Lookout | None = None) -> list[Rescue]:
    """Take over the jobs of dead workers, and of those anywhere whose lease has run out.

    Jobs are requeued only after what is left of the worker's processes is verified gone, so one job never runs
    twice at a time on a host. Those that a worker of this host held but did not run when it died are given back as
    if they had never been claimed.

    Args:
        lookout: What was seen at earlier calls; default: nothing.

    Returns:
        What became of each; those whose outputs were committed have to be published, and are claimed by ``me``.
    """
    dead, forgotten = [], []
    lookout = lookout or Lookout()
    workers = store.workers()
    now = lookout.look(store.now, workers)
    trusted = lookout.trusts_leases
    for worker in workers:
        if worker.info.id == me.id:
            continue
        if is_dead_here(worker.info):
            if _clear(worker.info.id):
                dead.append(worker.info.id)
        elif trusted and (now - worker.seen_at).total_seconds() > _SILENT_LEASES * worker.info.lease_seconds:
            # Of another boot, container or host. Should it live after all, its next claim registers it again.
            forgotten.append(worker.info.id)
    held = {worker_id: store.claimed(worker_id) for worker_id in dead}
    for worker_id, jobs in held.items():
        _give_back_waiting(store, host, worker_id, jobs)
    lost = {job.claim.job_id: job for jobs in held.values() for job in jobs}
    others = [worker for worker in workers if worker.info.id != me.id]
    gone = {*dead, *lookout.silent(others)}
    rescued = store.rescue(me, gone, at=now if trusted else _NEVER)
    for each in rescued:
        _log.info("job %s of a dead worker: now %s", each.job_id, each.state)
        job = lost.get(each.job_id)
        if job is not None and each.rolled_forward is None:
            _discard_leftovers(host, job)
    for worker_id in [*dead, *forgotten]:
        forget_occupancy(host.settings.data_dir, worker_id)
        store.remove_worker(worker_id)
    return rescued


def _discard_leftovers(host: Host, job: ClaimedJob) -> None:
    """What a lost attempt leaves in its folders: the job may never run again, or on another host."""
    if job.output is not None:
        discard_stale(job.output, f"{job.claim.job_id}.{job.claim.claim_seq}", own=True)
    discard_work(host, job.claim)


def _give_back_waiting(store: JobStore, host: Host, worker_id: str, held: Iterable[ClaimedJob]) -> None:
    running = occupants(host.settings.data_dir, worker_id)
    if running is None:
        return
    waiting = [
        job.claim
        for job in held
        if job.manifest is None and f"{job.claim.job_id}.{job.claim.claim_seq}" not in running
    ]
    if waiting:
        store.release(waiting)


def _clear(worker_id: str) -> bool:
    """Kill what carries the worker's tag; usually its wardens have seen to that already.

    What they have frozen, or confined, and left behind is in groups that bear the numbers of dead wardens.
    """
    remove_leftovers()
    left: list[int] = []
    for pid in processes_with_tag(worker_id):
        if started := process_start_ticks(pid):
            left += kill_tree(pid, tag=worker_id, start_ticks=started)
    if left:
        _log.warning("processes %s of dead worker %s cannot be killed yet; its jobs wait", left, worker_id)
    return not left
