"""The database itself: migrations against declared tables, guards, plans, and the views for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import create_engine

from pitchey_core.errors import ConfigError, StoreError
from pitchey_core.pricing import Usage
from pitchey_runner.store import migrations, open_store
from pitchey_runner.store.interface import JobStore
from pitchey_runner.store.postgres.location import locate
from pitchey_runner.store.postgres.translation import as_array, for_many, translate
from pitchey_runner.store.records import TRANSITIONS, Beat, JobState
from pitchey_runner.store.sql import statements
from pitchey_runner.store.tables import StoreTable
from pitchey_runner.testing.store_samples import completed, failed, job, one_claimed, retried, worker

Connection = psycopg.Connection[Any]


@pytest.fixture
def store(database: str) -> Iterator[JobStore]:
    with open_store(database) as store:
        yield store


@pytest.fixture
def sql(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def test_migrations_lead_to_the_declared_tables(
    database: str, new_database: Callable[[], str], sql: Connection
) -> None:
    fresh = new_database()
    with psycopg.connect(fresh, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(fresh))
        StoreTable.metadata.create_all(engine)
        engine.dispose()
        assert _schema(sql) == _schema(connection)
    assert len(_schema(sql)) > 100


@pytest.mark.parametrize("before", JobState)
def test_the_transition_table_holds_in_sql(before: JobState, store: JobStore, sql: Connection) -> None:
    store.enqueue([job()])
    for after in JobState:
        sql.execute("ALTER TABLE job DISABLE TRIGGER job_transition")
        _set_state(sql, before)
        sql.execute("ALTER TABLE job ENABLE TRIGGER job_transition")
        if after is before or after in TRANSITIONS[before]:
            _set_state(sql, after)
        else:
            with pytest.raises(psycopg.IntegrityError, match="illegal transition"):
                _set_state(sql, after)


def test_a_mistake_at_the_prompt_is_refused(store: JobStore, sql: Connection) -> None:
    store.settle([completed(one_claimed(store).claim, cost_nanos=5)])
    for statement, reason in (
        ("UPDATE job SET state = 'pending'", "illegal transition"),
        ("UPDATE job SET claim_seq = 0", "never goes back"),
        ("UPDATE job SET state = 'done'", "illegal transition"),
        ("UPDATE job SET priority = 'urgent'", "job_priority_known"),
        ("UPDATE ledger SET cost_nanos = 0", "append-only"),
        ("DELETE FROM ledger", "append-only"),
        ("INSERT INTO job_event (job_seq, at, kind, state) VALUES (99, 0, '', '')", "job_event_job"),
    ):
        with pytest.raises(psycopg.IntegrityError, match=reason):
            sql.execute(statement)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("CLAIM", "job_ready"),
        ("CLAIM_OF_BATCH", "job_ready_of_batch"),
        ("ANY_READY", "job_ready"),
        ("PROMOTE_DUE", "job_due"),
        ("ANY_LOST", "job_worker"),
        ("LOST", "job_worker"),
        ("CLAIMED", "job_worker"),
        ("CANCELLATIONS", "job_worker"),
        ("READY_BY_TYPE", "job_ready"),
        ("BEAT", "job_id_unique"),
        ("FIND", "job_id_unique"),
        ("EVENTS_OF_JOB", "job_event_of_job"),
    ],
)
def test_statements_use_their_index(statement: str, index: str, store: JobStore, database: str) -> None:
    """As the store's own connections plan them, before and after the tables were analyzed."""
    store.enqueue([job("code", batch_id="b", item_key=str(number)) for number in range(30)])
    store.enqueue([job(delay_seconds=60, batch_id="c") for _ in range(30)])
    store.enqueue([job() for _ in range(500)])
    for claimed in store.claim(worker(), "video", 20):
        store.settle([retried(claimed.claim) if claimed.claim.job_id < "8" else completed(claimed.claim)])
    with psycopg.connect(locate(database).conninfo, autocommit=True) as own:
        for analyzed in (False, True):
            if analyzed:
                own.execute("ANALYZE")
            plan = _plan(own, getattr(statements, statement))
            assert f"{index} " in plan, plan
            assert "Seq Scan on job" not in plan, plan
            assert not (
                statement.startswith(("CLAIM", "PROMOTE")) and statement != "CLAIMED" and "Sort" in plan
            ), plan


def test_a_claim_takes_no_more_than_its_limit_and_locks_what_it_takes() -> None:
    text = translate(statements.CLAIM).text
    assert "= ANY (ARRAY(SELECT seq FROM job" in text.replace("ARRAY(\n", "ARRAY(")
    assert "FOR NO KEY UPDATE SKIP LOCKED" in text
    assert "INDEXED BY" not in text
    assert "AND state = 'pending'\nRETURNING seq, sort_key, id, claim_seq" in text


def test_arrays_keep_every_character(sql: Connection) -> None:
    values = ["", "NULL", None, 'a"b', "a\\b", "{,}", "ä €\n\t", " "]
    row = sql.execute("SELECT CAST(%s AS text[])", (as_array(values, "text"),)).fetchone()
    assert row == (values,)
    row = sql.execute("SELECT CAST(%s AS bigint[])", (as_array([1, None, -(2**62)], "bigint"),)).fetchone()
    assert row == ([1, None, -(2**62)],)


def test_what_has_no_form_for_many_is_refused() -> None:
    with pytest.raises(ValueError, match="not a statement for many"):
        for_many(translate(statements.PURGE), {"id": "text"})


def test_views_for_people(store: JobStore, sql: Connection) -> None:
    store.register_worker(worker("w1"))
    store.register_worker(worker("gone", lease_seconds=-60))
    usage = Usage(wall_us=2_000_000, cpu_us=1_000_000)
    store.settle([completed(one_claimed(store).claim, usage=usage, cost_nanos=1_000_000_001)])
    store.settle([failed(one_claimed(store).claim)])
    running = one_claimed(store, instance_type="standard-2").claim
    store.beat("w1", [Beat(running)], cpu_percent=50, memory_percent=25)
    with sql.cursor(row_factory=dict_row) as rows:
        busy, gone = rows.execute("SELECT * FROM worker_dashboard ORDER BY id DESC").fetchall()
        (metrics,) = rows.execute("SELECT * FROM job_performance_metrics").fetchall()
        (cost,) = rows.execute("SELECT * FROM cost_analysis").fetchall()
    assert (busy["status"], busy["active_jobs_count"], busy["instance_type"]) == ("busy", 1, "standard-2")
    assert (busy["worker_type"], busy["cpu_usage_percent"]) == ("video, code", 50.0)
    assert (gone["status"], gone["active_jobs_count"]) == ("lost", 0)
    assert (metrics["job_type"], metrics["total_jobs"], metrics["processing_jobs"]) == ("video", 3, 1)
    assert (metrics["success_rate_percent"], metrics["avg_processing_seconds"]) == (50, 2.0)
    assert cost["day"] == store.now().date()
    assert (cost["job_type"], cost["attempts"], cost["wall_seconds"]) == ("video", 2, 2.0)
    assert str(cost["estimated_cost_usd"]) == "1.000000001"


def test_both_databases_have_the_same_views(sql: Connection, empty_store: Any) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(empty_store)) as file:
        for view in ("worker_dashboard", "job_performance_metrics", "cost_analysis"):
            here = [column[0] for column in file.execute(f"SELECT * FROM {view}").description]
            there = [column.name for column in sql.execute(f"SELECT * FROM {view}").description or ()]
            assert here == there


def test_an_older_and_a_newer_schema_are_refused(database: str, sql: Connection) -> None:
    for revision, message in (("0000", "works with"), ("9999", "newer Pitchey")):
        sql.execute("UPDATE alembic_version SET version_num = %s", (revision,))
        with pytest.raises(StoreError, match=message):
            open_store(database)
        assert migrations.schema_revision(database) == revision


def test_somebody_elses_tables_are_left_alone(database: str, sql: Connection) -> None:
    sql.execute("CREATE SCHEMA app")
    sql.execute("CREATE TABLE app.alembic_version (version_num text)")
    sql.execute("INSERT INTO app.alembic_version VALUES ('abc')")
    theirs = f"{database}&options=-csearch_path%3Dapp"
    with pytest.raises(StoreError, match="another program") as caught:
        open_store(theirs)
    assert "search_path%3Dpitchey" in (caught.value.remedy or "")
    sql.execute("CREATE SCHEMA pitchey")
    with open_store(f"{database}&options=-csearch_path%3Dpitchey") as store:
        store.enqueue([job()])
        assert store.counts() == {JobState.PENDING: 1}
    assert sql.execute("SELECT count(*) FROM public.job").fetchone() == (0,)


def test_a_bad_url_is_said_so() -> None:
    with pytest.raises(ConfigError, match="postgresql"):
        open_store("postgresql://host/db?no_such_option=1")


def test_no_server_is_said_at_once_and_without_the_password(tmp_path: Any) -> None:
    with pytest.raises(StoreError, match="no/such") as caught:
        open_store("postgresql://me:secret@/db?host=/no/such/folder")
    assert "secret" not in str(caught.value)
    assert "pg_isready" in (caught.value.remedy or "")


def test_no_database_is_said_with_its_remedy(database: str) -> None:
    with pytest.raises(StoreError, match="does not exist") as caught:
        open_store(database.replace("/store", "/nothing"))
    assert "createdb" in (caught.value.remedy or "")


def _schema(connection: Connection) -> set[tuple[Any, ...]]:
    found: set[tuple[Any, ...]] = set()
    for statement in (
        "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name"
        "  FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT IN"
        "  (SELECT table_name FROM information_schema.views UNION SELECT 'alembic_version')",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'",
    ):
        found.update(connection.execute(statement).fetchall())
    return found


def _set_state(sql: Connection, state: JobState) -> None:
    running = state is JobState.PROCESSING
    sql.execute(
        "UPDATE job SET state = %s, lease_until = %s, worker_id = %s", (state, 1 if running else None, "w")
    )


def _plan(own: Connection, statement: str) -> str:
    translated = translate(statement)
    nulls = ", ".join("NULL" for _ in translated.names)
    own.execute(f"PREPARE asked AS {translated.numbered}", prepare=False)
    try:
        rows = own.execute(
            f"EXPLAIN EXECUTE asked ({nulls})" if nulls else "EXPLAIN EXECUTE asked", prepare=False
        )
        return "\n".join(row[0] for row in rows)
    finally:
        own.execute("DEALLOCATE asked", prepare=False)
