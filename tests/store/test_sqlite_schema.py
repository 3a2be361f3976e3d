"""The file itself: migrations against declared tables, guards, indexes, and the views for people."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from pitchey_core.errors import StoreError
from pitchey_core.pricing import PriceBook, Usage
from pitchey_runner.store import migrations
from pitchey_runner.store.records import TRANSITIONS, Beat, JobState, Unique
from pitchey_runner.store.sql import line_statements, money_statements, statements
from pitchey_runner.store.sqlite.store import SqliteStore
from pitchey_runner.store.tables import StoreTable
from pitchey_runner.testing.store_samples import completed, failed, job, one_claimed, retried, worker

STATEMENTS = {**vars(statements), **vars(line_statements), **vars(money_statements)}
TABLES = sorted(StoreTable.metadata.tables)


@pytest.fixture
def store(empty_store: Path) -> Iterator[SqliteStore]:
    with SqliteStore(empty_store, prices=PriceBook()) as store:
        yield store


@pytest.fixture
def sql(empty_store: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(empty_store, isolation_level=None)) as connection:
        yield connection


def test_migrations_lead_to_the_declared_tables(empty_store: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh.db"
    engine = create_engine(f"sqlite:///{fresh}")
    StoreTable.metadata.create_all(engine)
    engine.dispose()
    assert _schema(empty_store) == _schema(fresh)


def test_the_head_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [migrations.HEAD]
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True)
    assert all(len(revision) == 4 and revision.isdigit() for revision in revisions)


def test_tables_are_strict_and_the_log_is_durable(store: SqliteStore, sql: sqlite3.Connection) -> None:
    tables = sql.execute(
        "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
        " AND name NOT LIKE 'sqlite_%' AND name <> 'alembic_version'"
    ).fetchall()
    assert sorted(tables) == [(name, 1) for name in TABLES]
    assert sql.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    flush = store._writer.write(lambda writer: writer.execute("PRAGMA synchronous").fetchone()[0])
    assert flush == 2, "FULL"
    with pytest.raises(StoreError, match="readonly"), store._readers.connection() as reader:
        reader.execute("DELETE FROM job")


@pytest.mark.parametrize("before", JobState)
@pytest.mark.parametrize("after", JobState)
def test_the_transition_table_holds_in_sql(
    before: JobState, after: JobState, store: SqliteStore, sql: sqlite3.Connection
) -> None:
    store.enqueue([job()])
    (guard,) = sql.execute("SELECT sql FROM sqlite_master WHERE name = 'job_transition'").fetchone()
    sql.execute("DROP TRIGGER job_transition")
    _set_state(sql, before)
    sql.execute(guard)
    if after is before or after in TRANSITIONS[before]:
        _set_state(sql, after)
        assert sql.execute("SELECT state FROM job").fetchone() == (after.value,)
    else:
        with pytest.raises(sqlite3.IntegrityError, match="illegal transition"):
            _set_state(sql, after)


def test_a_mistake_at_the_prompt_is_refused(store: SqliteStore, sql: sqlite3.Connection) -> None:
    claim = one_claimed(store).claim
    store.settle([completed(claim, cost_nanos=5)])
    for statement, reason in (
        ("UPDATE job SET state = 'pending'", "illegal transition"),
        ("UPDATE job SET claim_seq = 0", "never goes back"),
        ("UPDATE job SET state = 'done'", "illegal transition"),
        ("UPDATE job SET priority = 'urgent'", "job_priority_known"),
        ("UPDATE job SET cost_nanos = 'free'", "cannot store TEXT"),
        ("UPDATE ledger SET cost_nanos = 0", "append-only"),
        ("DELETE FROM ledger", "append-only"),
        ("INSERT INTO job_event (job_seq, at, kind, state) VALUES (99, 0, '', '')", "FOREIGN KEY"),
    ):
        sql.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError, match=reason):
            sql.execute(statement)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("CLAIM", "job_ready "),
        ("CLAIM_OF_BATCH", "job_ready_of_batch "),
        ("ANY_READY", "job_ready "),
        ("ANY_READY_OF_BATCH", "job_ready_of_batch "),
        ("PROMOTE_DUE", "job_due "),
        ("ANY_DUE", "job_due "),
        ("NEXT_DUE", "job_due"),
        ("ANY_LOST", "job_lease "),
        ("LOST", "job_worker "),
        ("CLAIMED", "job_worker "),
        ("CANCELLATIONS", "job_worker "),
        ("READY_BY_TYPE", "job_ready"),
        ("READY_BY_TYPE_OF_BATCH", "job_ready_of_batch "),
        ("BEAT", "sqlite_autoindex_job_1 "),
        ("FINISH", "sqlite_autoindex_job_1 "),
        ("FIND", "sqlite_autoindex_job_1 "),
        ("PURGE_OLD", "job_state "),
        ("CANDIDATES", "job_ready "),
        ("CANDIDATES_OF_BATCH", "job_ready_of_batch "),
        ("FREE_HELD", "job_held "),
        ("FIRST_OF_KEY", "job_line_of_key "),
        ("FRONT_OF_KEY", "job_front_of_key "),
        ("RUNNING_OF_KEY", "job_lease"),
        ("BEFORE_IN_LINE", "job_ready "),
        ("BEFORE_IN_KEY", "job_line_of_key "),
        ("UNIQUE_HOLDER", "job_unique "),
        ("FREE_UNIQUE_KEY", "job_unique "),
        ("WAITING_ON", "job_dependency_of_parent "),
        ("SAMPLES", "ledger_of_type "),
        ("EVENTS_OF_JOB", "job_event_of_job "),
    ],
)
def test_statements_use_their_index(
    statement: str, index: str, store: SqliteStore, sql: sqlite3.Connection
) -> None:
    _fill(store)
    for analyzed in (False, True):
        if analyzed:
            sql.execute("ANALYZE")
        plan = _plan(sql, STATEMENTS[statement])
        assert f"INDEX {index}" in plan, plan
        assert "SCAN job\n" not in plan, plan
        if (
            statement.startswith(("CLAIM", "PROMOTE", "CANDIDATES", "FIRST", "SAMPLES"))
            and statement != "CLAIMED"
        ):
            assert "TEMP B-TREE" not in plan, plan


@pytest.mark.parametrize(
    ("condition", "index"), [("state = 'failed'", "job_state"), ("batch_id = 'b'", "job_batch")]
)
def test_counting_reads_no_payloads(
    condition: str, index: str, store: SqliteStore, sql: sqlite3.Connection
) -> None:
    _fill(store)
    plan = _plan(sql, f"SELECT state, count(*) FROM job WHERE {condition} GROUP BY state")
    assert f"USING COVERING INDEX {index} " in plan, plan


def test_future_jobs_are_not_in_the_ready_index(store: SqliteStore, sql: sqlite3.Connection) -> None:
    store.enqueue([job(delay_seconds=60) for _ in range(50)] + [job()])
    assert sql.execute(
        "SELECT count(*) FROM job INDEXED BY job_ready WHERE state = 'pending' AND hold IS NULL"
    ).fetchone() == (1,)


def test_views_for_people(store: SqliteStore, sql: sqlite3.Connection) -> None:
    sql.row_factory = sqlite3.Row
    store.register_worker(worker("w1"))
    store.register_worker(worker("gone", lease_seconds=-60))
    claim = one_claimed(store).claim
    usage = Usage(wall_us=2_000_000, cpu_us=1_000_000)
    store.settle([completed(claim, usage=usage, cost_nanos=1_000_000_001)])
    store.settle([failed(one_claimed(store).claim)])
    running = one_claimed(store, instance_type="standard-2").claim
    store.beat("w1", [Beat(running)], cpu_percent=50, memory_percent=25)

    busy, gone = sql.execute("SELECT * FROM worker_dashboard ORDER BY id DESC").fetchall()
    assert (busy["status"], busy["active_jobs_count"], busy["instance_type"]) == ("busy", 1, "standard-2")
    assert (busy["worker_type"], busy["cpu_usage_percent"]) == ("video, code", 50.0)
    assert (gone["status"], gone["active_jobs_count"]) == ("lost", 0)

    (metrics,) = sql.execute("SELECT * FROM job_performance_metrics").fetchall()
    assert (metrics["job_type"], metrics["total_jobs"], metrics["processing_jobs"]) == ("video", 3, 1)
    assert (metrics["success_rate_percent"], metrics["avg_processing_seconds"]) == (50.0, 2.0)

    (cost,) = sql.execute("SELECT * FROM cost_analysis").fetchall()
    assert cost["day"] == store.now().date().isoformat()
    assert (cost["job_type"], cost["attempts"], cost["wall_seconds"]) == ("video", 2, 2.0)
    assert cost["estimated_cost_usd"] == "1.000000001"


def _schema(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL"
            " AND name NOT LIKE 'sqlite_%' AND name <> 'alembic_version'"
        )
        return {name: _parts(sql) for name, sql in rows}


def _parts(sql: str) -> list[str]:
    """A definition without the order of its columns: a migration can only add to their end."""
    inside, depth, parts = sql[sql.index("(") + 1 : sql.rindex(")")], 0, [""]
    for character in inside:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    around = [sql[: sql.index("(")], sql[sql.rindex(")") :]]
    return sorted(" ".join(part.split()) for part in parts) + [" ".join(part.split()) for part in around]


def _set_state(sql: sqlite3.Connection, state: JobState) -> None:
    running = state is JobState.PROCESSING
    sql.execute(
        "UPDATE job SET state = ?, lease_until = ?, worker_id = ?", (state, 1 if running else None, "w")
    )


def _fill(store: SqliteStore) -> None:
    store.enqueue([job("code", batch_id="b", item_key=str(number)) for number in range(30)])
    store.enqueue([job(delay_seconds=60, batch_id="c") for _ in range(30)])
    store.enqueue([job() for _ in range(30)])
    keyed = [job(concurrency_key=str(number % 3), concurrency_limit=2) for number in range(30)]
    store.enqueue([*keyed, *(job(unique=Unique(str(number))) for number in range(30))])
    for claimed in store.claim(worker(), "video", 20):
        store.settle([retried(claimed.claim) if claimed.claim.job_id < "8" else completed(claimed.claim)])


def _plan(sql: sqlite3.Connection, statement: str) -> str:
    names = {
        word.strip("(),:;")
        for word in statement.replace("(", " ").replace(")", " ").replace(",", " ").split()
        if word.startswith(":")
    }
    rows = sql.execute(f"EXPLAIN QUERY PLAN {statement}", dict.fromkeys(names, 1))
    return "".join(f"{row[3]}\n" for row in rows)
