"""Puts a batch into the store; of one that was there before, only what is left to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pitchey_core.storage import Artifact, open_remote, to_path
from pitchey_runner.store.interface import JobFilter, JobRecord, JobState, JobStore, NewJob

__all__ = ["MANY", "Enqueued", "enqueue_batch"]

MANY: Final = 10_000_000
"""More jobs than a batch has."""

_WAITING: Final = (JobState.PENDING, JobState.SCHEDULED, JobState.BLOCKED)
_RERUN: Final = "~"


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A batch in the store.

    Attributes:
        order: Ids of its jobs in the order of the file.
        skipped: Those that were completed before and whose outputs are intact.
        costs_before: What jobs that are done again had cost before, in nano-dollars.
    """

    batch_id: str
    order: list[str]
    skipped: frozenset[str]
    costs_before: Mapping[str, int]

    @property
    def ids(self) -> list[str]:
        """Jobs to be done now, new or once more."""
        return [each for each in self.order if each not in self.skipped]


def enqueue_batch(store: JobStore, jobs: Sequence[NewJob]) -> Enqueued:
    """Enqueue what is new, put in line again what failed or was cancelled, leave alone what is done.

    Waiting jobs of the batch that are no longer in its file are cancelled.
    """
    batch_id = str(jobs[0].batch_id)
    known = {record.item_key: record for record in store.list(JobFilter(batch_id=batch_id), limit=MANY)}
    plan = [_next(known, wanted) for wanted in jobs]
    order = [each.id for each in plan]
    new = [each for each in plan if isinstance(each, NewJob)]
    if None in store.enqueue(new):
        # Somebody runs the same batch at the same time and was faster: his jobs are ours as well.
        return enqueue_batch(store, jobs)
    old = [each for each in plan if isinstance(each, JobRecord)]
    store.retry([each.id for each in old if each.status in (JobState.FAILED, JobState.CANCELLED)])
    current = set(order)
    store.cancel([each.id for each in known.values() if each.id not in current and each.status in _WAITING])
    return Enqueued(
        batch_id,
        order,
        skipped=frozenset(each.id for each in old if each.status is JobState.COMPLETED),
        costs_before={each.id: each.cost_nanos for each in old},
    )


def _next(known: Mapping[str | None, JobRecord], wanted: NewJob) -> NewJob | JobRecord:
    """The job that an item is now: the one it was, or a new one."""
    key = str(wanted.item_key)
    record, number = known.get(key), 2
    while (later := known.get(f"{key}{_RERUN}{number}")) is not None:
        record, number = later, number + 1
    if record is None:
        return wanted
    if not record.status.finished or _stands(record, wanted):
        return record
    # What is left of its own outputs is in the way of nothing but their likes.
    overwrite = wanted.overwrite or (bool(_artifacts(record)) and not _changed(record))
    return replace(wanted, item_key=f"{key}{_RERUN}{number}", overwrite=overwrite)


def _stands(record: JobRecord, wanted: NewJob) -> bool:
    """Whether a finished job is good as it is, or would be if it were put in line again unchanged."""
    if record.status is JobState.COMPLETED:
        return all(_size(each) == each.bytes for each in _artifacts(record))
    if _artifacts(record) and not record.overwrite:
        # It has published a part, which it may not overwrite.
        return False
    given = (record.overwrite, record.priority, record.max_attempts, record.instance_type)
    return given == (wanted.overwrite, wanted.priority, wanted.max_attempts, wanted.instance_type)


def _artifacts(record: JobRecord) -> list[Artifact]:
    return [Artifact.from_record(each) for each in (record.result or {}).get("artifacts", [])]


def _changed(record: JobRecord) -> bool:
    """Whether somebody has put something else where an output was."""
    return any(_size(each) not in (None, each.bytes) for each in _artifacts(record))


def _size(artifact: Artifact) -> int | None:
    path = to_path(artifact.uri)
    if path is None:
        remote = open_remote(artifact.uri)
        return remote.size() if remote.exists() else None
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
