"""What follows for other jobs when some change: those that waited for them, and the lines of their keys.

Everything here runs inside the store's transaction; ``now`` is in microseconds.
"""

from __future__ import annotations

from typing import Any

from pitchey_core.errors import Cancelled
from pitchey_runner.store.records import JobState, OnFailure
from pitchey_runner.store.sql import line_statements as statements
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.events import Happening, record
from pitchey_runner.store.sql.lines import Key, rebalance
from pitchey_runner.store.sql.rows import to_json

__all__ = ["Consequences"]


class Consequences:
    """Gathers the jobs that a transaction changes, and then sees to the others. Costs nothing where none follow."""

    def __init__(self, connection: SqlConnection, now: int) -> None:
        self._connection = connection
        self._now = now
        self._ended: list[tuple[Any, int | None]] = []
        self.keys: set[Key] = set()

    def of(self, row: Any) -> None:
        """Note a job that changed: ``type``, ``concurrency_key``; and if it may have ended ``seq``, ``id``, ``state``,
        ``dependents``."""
        if row["concurrency_key"] is not None:
            self.keys.add((row["type"], row["concurrency_key"]))
        if row["dependents"]:
            self._ended.append((row, None))

    def in_line(self, row: Any) -> None:
        """Note a job that has entered a line, or may have left it: ``type``, ``concurrency_key``."""
        if row["concurrency_key"] is not None:
            self.keys.add((row["type"], row["concurrency_key"]))

    def waits_for(self, parent: Any, seq: int) -> None:
        """Note that a new job waits for one that has ended already."""
        self._ended.append((parent, seq))

    def write(self, *, lines: bool = True) -> None:
        """See to all that follows; ``lines``: also in the lines of keys."""
        if self._ended:
            happenings: list[Happening] = []
            # What is cancelled has dependents of its own, which come behind.
            for parent, only in self._ended:
                if JobState(parent["state"]).finished:
                    self._tell_dependents(parent, only, happenings)
            record(self._connection, self._now, happenings)
        if self.keys and lines:
            rebalance(self._connection, self.keys)

    def _tell_dependents(self, parent: Any, only: int | None, happenings: list[Happening]) -> None:
        for edge in self._connection.execute(statements.WAITING_ON, {"seq": parent["seq"]}).fetchall():
            if only is not None and edge["job_seq"] != only:
                continue
            if parent["state"] == JobState.COMPLETED or edge["on_failure"] == OnFailure.RUN:
                self._meet(parent["seq"], edge["job_seq"], happenings)
            elif edge["on_failure"] == OnFailure.CANCEL:
                self._cancel(parent, edge["job_seq"], happenings)

    def _meet(self, parent_seq: int, seq: int, happenings: list[Happening]) -> None:
        named = {"seq": seq, "parent_seq": parent_seq, "now": self._now}
        self._connection.execute(statements.MEET, named)
        self._connection.execute(statements.ONE_LESS, named)
        row = self._connection.execute(statements.UNBLOCK, named).fetchone()
        if row is not None:
            happenings.append((seq, "unblocked", JobState(row["state"]), None))
            self.in_line(row)

    def _cancel(self, parent: Any, seq: int, happenings: list[Happening]) -> None:
        error = Cancelled(f"job {parent['id']}, on which this one depends, is {parent['state']}")
        named = {"seq": seq, "now": self._now, "error": to_json(error.as_record())}
        row = self._connection.execute(statements.CANCEL_DEPENDENT, named).fetchone()
        if row is not None:
            happenings.append((seq, "cancelled", JobState.CANCELLED, {"parent": parent["id"]}))
            self._ended.append((row, None))
