"""The event rows that every transition writes in its own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pitchey_runner.store.records import JobState
from pitchey_runner.store.sql import statements
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.rows import to_json

__all__ = ["Happening", "record", "record_enqueued"]

Happening = tuple[int, str, JobState, dict[str, Any] | None]
"""The job's ``seq``, kind, state after it, data."""


def record(connection: SqlConnection, now: int, happenings: Sequence[Happening]) -> None:
    """Write events in the order given."""
    if happenings:
        job_seqs, kinds, states, data = zip(*happenings, strict=True)
        _insert(connection, now, job_seqs, kinds, [state._value_ for state in states], [*map(to_json, data)])


def record_enqueued(
    connection: SqlConnection, now: int, job_seqs: Sequence[int], states: Sequence[str]
) -> None:
    """Write the first events of jobs, which are in these states."""
    if job_seqs:
        count = len(job_seqs)
        _insert(connection, now, job_seqs, ["enqueued"] * count, states, [None] * count)


def _insert(
    connection: SqlConnection,
    now: int,
    job_seqs: Sequence[int],
    kinds: Sequence[str],
    states: Sequence[str],
    data: Sequence[str | None],
) -> None:
    columns = {
        "job_seq": job_seqs,
        "now": [now] * len(job_seqs),
        "kind": kinds,
        "state": states,
        "data": data,
    }
    connection.insert(statements.INSERT_EVENT, columns)
