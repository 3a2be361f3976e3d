"""Who a worker is, and whether another one still lives."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterable

from pitchey_core.process import boot_id, pid_namespace, process_start_ticks, read_process
from pitchey_runner.store.interface import WorkerInfo

__all__ = ["is_dead_here", "is_here", "this_worker"]


def this_worker(types: Iterable[str], *, lease_seconds: float) -> WorkerInfo:
    """This process as a worker. The id is fresh: a restarted worker must not speak for the one before it."""
    return WorkerInfo(
        id=uuid.uuid4().hex,
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=os.getpid(),
        pid_started=process_start_ticks(os.getpid()) or 0,
        pid_namespace=pid_namespace(),
        types=tuple(sorted(types)),
        lease_seconds=lease_seconds,
    )


def is_here(worker: WorkerInfo) -> bool:
    """Whether its PID means something to this process: the same host, boot and PID namespace."""
    here = (socket.gethostname(), boot_id(), pid_namespace())
    return (worker.host, worker.boot_id, worker.pid_namespace) == here


def is_dead_here(worker: WorkerInfo) -> bool:
    """Whether a worker is known to be gone: it ran on this host and its process has ended.

    False also where that cannot be told (another host or one of the same name, an earlier boot, another PID
    namespace); its lease decides then.
    """
    if not is_here(worker):
        return False
    process = read_process(worker.pid)
    # In a container nobody may ever reap it, and a zombie works no more.
    return process is None or not process.alive or process.start_ticks != worker.pid_started
