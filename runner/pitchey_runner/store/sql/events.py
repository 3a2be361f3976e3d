"""The event rows that every transition writes in its own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pitchey_runner.store.records import JobState
from pitchey_runner.store.sql import statements
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.rows import to_json

__all__ = ["Happening", "record"]

Happening = tuple[int, str, JobState, dict[str, Any] | None]
"""The job's ``seq``, kind, state after it, data."""


def record(connection: SqlConnection, now: int, happenings: Sequence[Happening]) -> None:
    """Write events in the order given."""
    connection.executemany(
        statements.INSERT_EVENT,
        [
            {"job_seq": job_seq, "now": now, "kind": kind, "state": state._value_, "data": to_json(data)}
            for job_seq, kind, state, data in happenings
        ],
    )
