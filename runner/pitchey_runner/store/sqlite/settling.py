"""How attempts end: the job's new state, the attempt's row, the ledger's and the event, in one transaction.

Everything here runs inside the writer's transaction; ``now`` is in microseconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from pitchey_runner.store.records import AttemptOutcome, JobState, Settlement
from pitchey_runner.store.sqlite import statements
from pitchey_runner.store.sqlite.budgets import charge
from pitchey_runner.store.sqlite.consequences import Consequences
from pitchey_runner.store.sqlite.events import Happening, record
from pitchey_runner.store.sqlite.rows import span, to_json, usage_record

__all__ = ["Endings", "settle"]


def settle(connection: sqlite3.Connection, now: int, settlements: Sequence[Settlement]) -> list[bool]:
    endings = Endings(connection, now)
    answers = [endings.end(each) for each in settlements]
    endings.write()
    return answers


class Endings:
    """Attempts that end in this transaction. Jobs change at once, so that a claim given twice is found lost;
    the rows about it are gathered for :meth:`write`, because one statement for many is three times as fast."""

    def __init__(self, connection: sqlite3.Connection, now: int) -> None:
        self._connection = connection
        self._now = now
        self._rows: list[dict[str, Any]] = []
        self._follow = Consequences(connection, now)
        self.happenings: list[Happening] = []

    def end(self, ending: Settlement) -> bool:
        """End one attempt; ``False``: the claim is lost."""
        usage = usage_record(ending.usage)
        row = {
            **usage,
            "complete": int(ending.usage.complete),
            "usage": to_json(usage),
            "id": ending.claim.job_id,
            "claim_seq": ending.claim.claim_seq,
            "now": self._now,
            "state": ending.state.value,
            "run_at": self._now + span(ending.retry_in),
            "lost": int(ending.outcome is AttemptOutcome.LOST),
            "more_memory": int(ending.more_memory),
            "result": to_json(ending.result),
            "error": to_json(ending.error),
            "error_class": None if ending.error is None else ending.error.get("class"),
            "outcome": ending.outcome.value,
            "log_path": ending.log_path,
            "cost_nanos": ending.cost_nanos,
        }
        job = self._change_job(row)
        if job is None:
            return False
        row.update(job)
        self._rows.append(row)
        self._follow.of(row)
        self.happenings.append(_happening(ending, row))
        return True

    def write(self) -> None:
        """Write what was gathered."""
        self._connection.executemany(statements.CLOSE_ATTEMPT, self._rows)
        self._connection.executemany(statements.INSERT_LEDGER, self._rows)
        record(self._connection, self._now, self.happenings)
        if self._rows:
            charge(self._connection, self._now, self._rows)
        self._follow.write()

    def _change_job(self, row: dict[str, Any]) -> sqlite3.Row | None:
        if row["state"] == JobState.SCHEDULED:
            job: sqlite3.Row | None = self._connection.execute(statements.RESCHEDULE, row).fetchone()
            if job is not None:
                return job
            # Either the claim is lost, which FINISH finds as well, or somebody cancelled the job meanwhile.
            row["state"] = JobState.CANCELLED.value
        finished: sqlite3.Row | None = self._connection.execute(statements.FINISH, row).fetchone()
        return finished


def _happening(ending: Settlement, row: dict[str, Any]) -> Happening:
    state = JobState(row["state"])
    kind = "retry_scheduled" if state is JobState.SCHEDULED else state.value
    data = {"attempt": row["attempt"], "outcome": row["outcome"], "cost_nanos": row["cost_nanos"]}
    if ending.error is not None:
        data["error"] = ending.error
    return row["seq"], "lost" if row["lost"] else kind, state, data
