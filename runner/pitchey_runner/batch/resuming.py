"""Puts a batch into the store; of one that was there before, only what is left to do."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pitchey_core.errors import PitcheyError
from pitchey_core.host import Host
from pitchey_core.storage import MANIFEST_NAME, Artifact, open_remote, to_path
from pitchey_runner.store.interface import JobFilter, JobRecord, JobState, JobStore, NewJob
from pitchey_runner.submission import input_fingerprints

__all__ = ["MANY", "Enqueued", "enqueue_batch"]

MANY: Final = 10_000_000
"""More jobs than a batch has."""

_WAITING: Final = (JobState.PENDING, JobState.SCHEDULED, JobState.BLOCKED)
_RERUN: Final = "~"
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


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


def enqueue_batch(store: JobStore, host: Host, jobs: Sequence[NewJob]) -> Enqueued:
    """Enqueue what is new, put in line again what failed or was cancelled, leave alone what is done.

    Waiting jobs of the batch that are no longer in its file are cancelled.
    """
    batch_id = str(jobs[0].batch_id)
    before = _Before(host, store.list(JobFilter(batch_id=batch_id), limit=MANY))
    plan = [_next(before, wanted) for wanted in jobs]
    order = [each.id for each in plan]
    # First, so that none of them starts beside the one that takes its place.
    current = set(order)
    store.cancel(
        [each.id for each in before.jobs.values() if each.id not in current and each.status in _WAITING]
    )
    new = [each for each in plan if isinstance(each, NewJob)]
    if None in store.enqueue(new):
        # Somebody runs the same batch at the same time and was faster: his jobs are ours as well.
        return enqueue_batch(store, host, jobs)
    old = [each for each in plan if isinstance(each, JobRecord)]
    store.retry([each.id for each in old if each.status in (JobState.FAILED, JobState.CANCELLED)])
    return Enqueued(
        batch_id,
        order,
        skipped=frozenset(each.id for each in old if each.status is JobState.COMPLETED),
        costs_before={each.id: each.cost_nanos for each in old},
    )


class _Before:
    """What earlier runs of a batch have left.

    Attributes:
        jobs: By their item keys.
    """

    def __init__(self, host: Host, records: Sequence[JobRecord]) -> None:
        self.jobs = {record.item_key: record for record in records}
        self._host = host
        # Of each folder, by URL, the outputs that were published there last, each with its job.
        self._folders: defaultdict[str | None, dict[str, tuple[JobRecord, Artifact]]] = defaultdict(dict)
        for record in sorted(records, key=lambda each: each.completed_at or _LONG_AGO):
            for artifact in _artifacts(record):
                self._folders[record.output][artifact.uri] = (record, artifact)

    def has_intact(self, record: JobRecord) -> bool:
        """Whether all that a job has published is still there, and neither changed nor replaced."""
        last = self._folders[record.output]
        return all(last[each.uri][0] is record and _size(each) == each.bytes for each in _artifacts(record))

    def may_replace(self, wanted: NewJob) -> bool:
        """Whether a job's folder holds nothing but what this batch has published there from the same input."""
        published = self._folders[wanted.output].values()
        source = self._source(wanted)
        if not published or any(self._source(record) != source for record, _ in published):
            return False
        folder = to_path(str(wanted.output))
        if folder is None:
            return all(_size(artifact) in (None, artifact.bytes) for _, artifact in published)
        sizes = {to_path(artifact.uri): artifact.bytes for _, artifact in published}
        return all(_bytes(file) == sizes.get(file) for file in _files(folder))

    def _source(self, job: NewJob | JobRecord) -> list[str]:
        """The inputs of a job; of one without any, its type."""
        try:
            return [each[0] for each in input_fingerprints(self._host, job.type, job.payload)] or [job.type]
        except PitcheyError:
            # Its processor is gone since. Nothing is like it, so nothing may take its place.
            return [job.id]


def _next(before: _Before, wanted: NewJob) -> NewJob | JobRecord:
    """The job that an item is now: the one it was, or a new one."""
    key = str(wanted.item_key)
    record, number = before.jobs.get(key), 2
    while (later := before.jobs.get(f"{key}{_RERUN}{number}")) is not None:
        record, number = later, number + 1
    if record is not None and (
        record.status is JobState.PROCESSING
        or (record.status is JobState.COMPLETED and before.has_intact(record))
    ):
        return record
    wanted = replace(wanted, overwrite=wanted.overwrite or before.may_replace(wanted))
    if record is None:
        return wanted
    if record.status is not JobState.COMPLETED and _terms(record) == _terms(wanted):
        return record
    return replace(wanted, item_key=f"{key}{_RERUN}{number}")


def _terms(job: NewJob | JobRecord) -> tuple[object, ...]:
    """How a job is run. It may be changed without making the item another one, but not in a job that there is."""
    return job.overwrite, job.priority, job.max_attempts, job.instance_type, job.wall_limit


def _artifacts(record: JobRecord) -> list[Artifact]:
    return [Artifact.from_record(each) for each in (record.result or {}).get("artifacts", [])]


def _size(artifact: Artifact) -> int | None:
    path = to_path(artifact.uri)
    if path is None:
        remote = open_remote(artifact.uri)
        return remote.size() if remote.exists() else None
    return _bytes(path)


def _bytes(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _files(folder: Path) -> Iterator[Path]:
    """What lies in a folder, but for hidden files and the list of its outputs."""
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in names if name[0] != "." and name != MANIFEST_NAME)
