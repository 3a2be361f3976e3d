"""Clearing up after workers that died on this host: first their processes, then their jobs."""

from __future__ import annotations

import logging

from pitchey_core.process import kill_tree, processes_with_tag
from pitchey_runner.store.interface import ClaimedJob, JobStore, WorkerInfo
from pitchey_runner.supervisor.identity import is_dead_here

__all__ = ["rescue"]

_log = logging.getLogger(__name__)


def rescue(store: JobStore, me: WorkerInfo) -> list[ClaimedJob]:
    """Take over the jobs of dead workers, and of those anywhere whose lease has run out.

    Jobs are requeued only after what is left of the worker's processes is verified gone, so one job never runs
    twice at a time on a host.

    Returns:
        Jobs whose outputs were committed and have to be published, claimed by ``me``.
    """
    dead = []
    for worker in store.workers():
        if worker.info.id == me.id or not is_dead_here(worker.info):
            continue
        if _clear(worker.info.id):
            dead.append(worker.info.id)
    rescued = store.rescue(me, dead)
    for each in rescued:
        _log.info("job %s of a dead worker: now %s", each.job_id, each.state)
    for worker_id in dead:
        store.remove_worker(worker_id)
    return [each.rolled_forward for each in rescued if each.rolled_forward is not None]


def _clear(worker_id: str) -> bool:
    """Kill what carries the worker's tag; usually its wardens have seen to that already."""
    left: list[int] = []
    for pid in processes_with_tag(worker_id):
        left += kill_tree(pid, tag=worker_id)
    if left:
        _log.warning("processes %s of dead worker %s cannot be killed yet; its jobs wait", left, worker_id)
    return not left
