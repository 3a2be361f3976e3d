"""How attempts end: the job's new state, the attempt's row, the ledger's and the event, in one transaction.

Everything here runs inside the store's transaction; ``now`` is in microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pitchey_runner.store.records import AttemptOutcome, JobState, Settlement
from pitchey_runner.store.sql import statements
from pitchey_runner.store.sql.budgets import charge
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.consequences import Consequences
from pitchey_runner.store.sql.events import Happening, record
from pitchey_runner.store.sql.rows import span, to_json

__all__ = ["Endings", "settle"]


def settle(connection: SqlConnection, now: int, settlements: Sequence[Settlement]) -> list[bool]:
    endings = Endings(connection, now)
    answers = endings.end(settlements)
    endings.write()
    return answers


class Endings:
    """Attempts that end in this transaction. Jobs change at once; the rows about them are gathered for
    :meth:`write`, because one statement for many is three times as fast."""

    def __init__(self, connection: SqlConnection, now: int) -> None:
        self._connection = connection
        self._now = now
        self._rows: list[dict[str, Any]] = []
        self._follow = Consequences(connection, now)
        self.happenings: list[Happening] = []

    def end(self, endings: Sequence[Settlement]) -> list[bool]:
        """End attempts; ``False``: the claim is lost, or was given before."""
        rows = [self._row(ending) for ending in endings]
        first = {ending.claim: row for ending, row in zip(reversed(endings), reversed(rows), strict=True)}
        again = [row for row in first.values() if row["state"] == JobState.SCHEDULED]
        changed = self._change(statements.RESCHEDULE, again)
        for row in again:
            if id(row) not in changed:
                # Either the claim is lost, which FINISH finds as well, or somebody cancelled the job meanwhile.
                row["state"] = JobState.CANCELLED.value
        final = [row for row in first.values() if row["state"] != JobState.SCHEDULED]
        changed |= self._change(statements.FINISH, final)
        for ending, row in zip(endings, rows, strict=True):
            if id(row) in changed:
                self._rows.append(row)
                self._follow.of(row)
                if row["unique_held"] and row["state"] != JobState.SCHEDULED:
                    self._connection.execute(statements.FREE_KEY_OF_FINISHED, {"seq": row["seq"]})
                self.happenings.append(_happening(ending, row))
        return [id(row) in changed for row in rows]

    def _row(self, ending: Settlement) -> dict[str, Any]:
        usage = ending.usage.as_record()
        return {
            **usage,
            "complete": int(usage["complete"]),
            "usage": to_json(usage),
            "id": ending.claim.job_id,
            "claim_seq": ending.claim.claim_seq,
            "now": self._now,
            "state": ending.state._value_,
            "run_at": self._now + span(ending.retry_in),
            "lost": int(ending.outcome is AttemptOutcome.LOST),
            "more_memory": int(ending.more_memory),
            "result": to_json(ending.result),
            "error": to_json(ending.error),
            "error_class": None if ending.error is None else ending.error.get("class"),
            "outcome": ending.outcome._value_,
            "log_path": ending.log_path,
            "enforced_by": ending.enforced_by,
            "reserved_memory_bytes": ending.reserved_memory_bytes,
            "cost_nanos": ending.cost_nanos,
        }

    def _change(self, statement: str, rows: list[dict[str, Any]]) -> set[int]:
        """Change jobs, and complete the rows of those that were changed; says which."""
        answers = self._connection.each(statement, rows) if rows else []
        changed = [(row, job) for row, job in zip(rows, answers, strict=True) if job is not None]
        for row, job in changed:
            row.update(job)
        return {id(row) for row, _ in changed}

    def write(self) -> None:
        """Write what was gathered."""
        self._connection.executemany(statements.CLOSE_ATTEMPT, self._rows)
        self._connection.executemany(statements.INSERT_LEDGER, self._rows)
        record(self._connection, self._now, self.happenings)
        if self._rows:
            charge(self._connection, self._now, self._rows)
        self._follow.write()


def _happening(ending: Settlement, row: dict[str, Any]) -> Happening:
    state = JobState(row["state"])
    kind = "retry_scheduled" if state is JobState.SCHEDULED else state._value_
    data = {"attempt": row["attempt"], "outcome": row["outcome"], "cost_nanos": row["cost_nanos"]}
    if ending.error is not None:
        data["error"] = ending.error
    return row["seq"], "lost" if row["lost"] else kind, state, data
