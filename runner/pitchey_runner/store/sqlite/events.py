"""The event rows that every transition writes in its own transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from pitchey_runner.store.records import JobState
from pitchey_runner.store.sqlite import statements
from pitchey_runner.store.sqlite.rows import to_json

__all__ = ["Happening", "record"]

Happening = tuple[int, str, JobState, dict[str, Any] | None]
"""The job's ``seq``, kind, state after it, data."""


def record(connection: sqlite3.Connection, now: int, happenings: Sequence[Happening]) -> None:
    """Write events in the order given."""
    connection.executemany(
        statements.INSERT_EVENT,
        [(job_seq, now, kind, state.value, to_json(data)) for job_seq, kind, state, data in happenings],
    )
