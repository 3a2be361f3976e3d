"""Is everything in a store as it must be? What the database enforces, and what only the transactions see to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, inspect, text

from pitchey_core.errors import StoreError
from pitchey_runner.store.counters import counted_tables, counter_of
from pitchey_runner.store.drivers import driver_of
from pitchey_runner.store.migrations import HEAD, schema_revision
from pitchey_runner.store.records import TRANSITIONS, JobState
from pitchey_runner.store.tables import StoreTable

__all__ = ["Problem", "check_store"]

_GUARDS = frozenset({"job_transition", "job_claim_seq", "ledger_unchanged", "ledger_kept"})
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it must be.

    Attributes:
        check: What was checked.
        detail: What was found.
    """

    check: str
    detail: str


def check_store(url: str) -> list[Problem]:
    """Everything that is wrong with a store; nothing is changed.

    Raises:
        StoreError: There is no store, or it cannot be read.
    """
    revision = schema_revision(url)
    if revision is None:
        raise StoreError("there is no store yet", remedy="create it: pitchey-run db upgrade")
    if revision != HEAD:
        return [Problem("schema", f"revision {revision}, not {HEAD}: pitchey-run db upgrade")]
    with driver_of(url).looking(url) as connection:
        if damage := list(_file(connection)):
            return damage
        return [*_schema(connection), *_orphans(connection), *_histories(connection)]


def _file(connection: Connection) -> Iterator[Problem]:
    if connection.dialect.name == "sqlite":
        for (said,) in connection.exec_driver_sql("PRAGMA integrity_check(10)"):
            if said != "ok":
                yield Problem("file", said)


def _schema(connection: Connection) -> Iterator[Problem]:
    found = inspect(connection)
    for table in StoreTable.metadata.sorted_tables:
        columns = {column["name"] for column in found.get_columns(table.name)}
        indexes = {index["name"] for index in found.get_indexes(table.name)}
        for missing in sorted(set(table.columns.keys()) - columns):
            yield Problem("schema", f"table {table.name} has no column {missing}")
        for missing in sorted({str(index.name) for index in table.indexes} - indexes):
            yield Problem("schema", f"table {table.name} has no index {missing}")
    catalogue = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if connection.dialect.name == "sqlite"
        else "SELECT tgname FROM pg_trigger WHERE tgrelid IN ('job'::regclass, 'ledger'::regclass)"
        " AND tgenabled <> 'D'"
    )
    guards = {str(row[0]) for row in connection.exec_driver_sql(catalogue)}
    for missing in sorted(_GUARDS - guards):
        yield Problem("schema", f"the guard {missing} is missing")


def _orphans(connection: Connection) -> Iterator[Problem]:
    for table in StoreTable.metadata.sorted_tables:
        for key in table.foreign_keys:
            child, parent = key.parent, key.column
            yield from _rows(
                connection,
                "orphans",
                f"{table.name} has a row for {parent.table.name} {{0}}, which is not there",
                f"SELECT {child.name} FROM {table.name} WHERE {child.name} IS NOT NULL"  # noqa: S608 - our names
                f" AND NOT EXISTS (SELECT 1 FROM {parent.table.name}"
                f" WHERE {parent.table.name}.{parent.name} = {table.name}.{child.name})",
            )
    for table in counted_tables():
        highest = connection.exec_driver_sql(f"SELECT max(seq) FROM {table.name}").scalar()  # noqa: S608 - the same
        if highest is not None and counter_of(connection, table) < highest:
            yield Problem("numbers", f"the counter of {table.name} is behind its rows")


def _histories(connection: Connection) -> Iterator[Problem]:
    legal = {(before.value, after.value) for before, afters in TRANSITIONS.items() for after in afters}
    for job_id, before, after in connection.execute(text(_STEPS)):
        if (before, after) not in legal:
            yield Problem("transitions", f"job {job_id} went from {before} to {after}")
    for check, detail, statement in _RULES:
        yield from _rows(connection, check, detail, statement)


def _rows(connection: Connection, check: str, detail: str, statement: str) -> Iterator[Problem]:
    """A problem for each of the first rows, and a word about the others."""
    rows = connection.execute(text(statement)).fetchmany(_SHOWN + 1)
    for row in rows[:_SHOWN]:
        yield Problem(check, detail.format(*row))
    if len(rows) > _SHOWN:
        yield Problem(check, "… and more of the same")


_FINISHED = ", ".join(f"'{state}'" for state in JobState if state.finished)
_STEPS = """
SELECT DISTINCT min(id), state_before, state FROM (
    SELECT job.id AS id, job_event.state AS state,
           lag(job_event.state) OVER (PARTITION BY job_event.job_seq ORDER BY job_event.seq) AS state_before
      FROM job_event JOIN job ON job.seq = job_event.job_seq
) AS steps
 WHERE state_before IS NOT NULL AND state_before <> state GROUP BY state_before, state
"""
_RULES = (
    (
        "transitions",
        "job {0} is {1}, its last event says {2}",
        """
        SELECT job.id, job.state, job_event.state FROM job JOIN job_event ON job_event.seq = (
            SELECT max(seq) FROM job_event WHERE job_event.job_seq = job.seq)
         WHERE job.state <> job_event.state
        """,
    ),
    (
        "attempts",
        "job {0} is processed, but its claim has no open attempt",
        """
        SELECT id FROM job WHERE state = 'processing' AND NOT EXISTS (
            SELECT 1 FROM attempt WHERE job_seq = job.seq AND claim_seq = job.claim_seq AND outcome IS NULL)
        """,
    ),
    (
        "attempts",
        "job {0} is {1}, but an attempt of it is open",
        """
        SELECT job.id, job.state FROM job JOIN attempt ON attempt.job_seq = job.seq
         WHERE attempt.outcome IS NULL AND (job.state <> 'processing' OR attempt.claim_seq <> job.claim_seq)
        """,
    ),
    (
        "ledger",
        "attempt {1} of job {0} has ended, but the ledger does not know it",
        """
        SELECT job.id, attempt.number FROM attempt JOIN job ON job.seq = attempt.job_seq
         WHERE attempt.outcome IS NOT NULL AND attempt.outcome <> 'released' AND NOT EXISTS (
            SELECT 1 FROM ledger
             WHERE ledger.job_seq = attempt.job_seq AND ledger.claim_seq = attempt.claim_seq)
        """,
    ),
    (
        "ledger",
        "job {0} costs {1} nano-dollars, the ledger says {2}",
        """
        SELECT id, cost_nanos, paid FROM (
            SELECT job.id AS id, job.cost_nanos AS cost_nanos, (
                SELECT coalesce(sum(ledger.cost_nanos), 0) FROM ledger WHERE ledger.job_seq = job.seq) AS paid
              FROM job) AS costs
         WHERE cost_nanos <> paid
        """,
    ),
)
