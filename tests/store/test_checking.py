"""``db check`` finds what is wrong, and says nothing of a store in which all is well."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from pitchey_core.errors import StoreError
from pitchey_runner.store import open_store
from pitchey_runner.store.checking import check_store
from pitchey_runner.store.drivers import driver_of
from pitchey_runner.store.migrations import upgrade
from pitchey_runner.testing.store_samples import completed, failed, job, one_claimed, retried, worker

NewStore = Callable[[], str]


def fill(url: str) -> None:
    with open_store(url) as store:
        me = worker()
        store.register_worker(me)
        store.settle([completed(one_claimed(store).claim, cost_nanos=5)])
        store.settle([failed(one_claimed(store).claim, cost_nanos=7)])
        store.settle([retried(one_claimed(store).claim)])
        store.release([one_claimed(store, job_type="code").claim])
        store.enqueue([job()], claimed_by=me)
        store.rescue(worker("w2"), {"w1"})
        one_claimed(store, job_type="audio")


def test_all_is_well(new_store: NewStore) -> None:
    url = new_store()
    assert check_store(url) == []
    fill(url)
    assert check_store(url) == []


@pytest.mark.parametrize(
    ("statements", "check", "detail"),
    [
        (
            ["UPDATE job SET cost_nanos = 6 WHERE state = 'completed'"],
            "ledger",
            "costs 6 nano-dollars, the ledger says 5",
        ),
        (
            ["{drop ledger_kept}", "DELETE FROM ledger WHERE outcome = 'failed' AND cost_nanos = 7"],
            "ledger",
            "does not know",
        ),
        (["{drop ledger_kept}"], "schema", "ledger_kept"),
        (["DROP INDEX job_ready"], "schema", "job_ready"),
        (
            ["{drop job_transition}", "UPDATE job SET state = 'completed' WHERE state = 'failed'"],
            "transitions",
            "last event says failed",
        ),
        (
            [
                "INSERT INTO job_event (job_seq, at, kind, state)"
                " SELECT seq, 0, 'odd', 'blocked' FROM job WHERE state = 'completed'"
            ],
            "transitions",
            "went from completed to blocked",
        ),
        (["DELETE FROM attempt WHERE outcome IS NULL"], "attempts", "no open attempt"),
        (
            ["UPDATE attempt SET outcome = NULL, ended_at = NULL WHERE outcome = 'completed'"],
            "attempts",
            "is open",
        ),
        (["UPDATE alembic_version SET version_num = '0000'"], "schema", "revision 0000"),
    ],
)
def test_what_is_wrong_is_found(new_store: NewStore, statements: list[str], check: str, detail: str) -> None:
    url = new_store()
    fill(url)
    with driver_of(url).changing(url) as connection:
        for statement in statements:
            name = statement.strip("{}").removeprefix("drop ")
            if statement.startswith("{"):
                table = name.split("_")[0]
                on = f" ON {table}" if connection.dialect.name == "postgresql" else ""
                connection.execute(text(f"DROP TRIGGER {name}{on}"))
            else:
                connection.execute(text(statement))
    problems = check_store(url)
    assert any(each.check == check and detail in each.detail for each in problems), problems


def test_orphans_are_found(empty_store: Path) -> None:
    """Postgres has no way to make one."""
    fill(str(empty_store))
    with closing(sqlite3.connect(empty_store, isolation_level=None)) as sql:
        sql.execute("DELETE FROM job WHERE state = 'completed'")
    found = {each.detail.split(" has a row")[0] for each in check_store(str(empty_store))}
    assert {"attempt", "job_event"} <= found


def test_damage_is_found(empty_store: Path) -> None:
    fill(str(empty_store))
    with closing(sqlite3.connect(empty_store, isolation_level=None)) as sql:
        # What is in the index is not what it should hold.
        sql.execute("PRAGMA writable_schema = ON")
        sql.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX job_state ON job (id)' WHERE name = 'job_state'"
        )
    assert {each.check for each in check_store(str(empty_store))} == {"file"}


def test_no_store_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store yet"):
        check_store(str(tmp_path / "none.db"))
    upgrade(str(tmp_path / "none.db"))
    assert check_store(str(tmp_path / "none.db")) == []
