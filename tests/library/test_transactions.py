"""A job that is enqueued in its program's own transaction is there if, and only if, that commits."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.orm import Session
from workplace import wait_until

from pitchey_core.errors import StoreError, UnknownName, UsageError
from pitchey_runner import Jobs, JobState
from pitchey_runner.store.interface import Dependency
from pitchey_runner.submission import JobRequest

ORDERS = Table("their_order", MetaData(), Column("id", Integer, primary_key=True))


@pytest.fixture
def engine(jobs: Jobs) -> Iterator[Engine]:
    engine = create_engine(jobs.store.url)
    ORDERS.metadata.create_all(engine)
    yield engine
    engine.dispose()


def _orders(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(ORDERS)) or 0)


def test_it_exists_once_they_commit(jobs: Jobs, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(ORDERS))
        job = jobs.submit("test-noop", connection=connection)
        with pytest.raises(UnknownName, match="not committed"):
            _ = job.status
    assert (job.status, _orders(engine)) == (JobState.PENDING, 1)
    assert jobs.drain() == {JobState.COMPLETED: 1}


def test_it_never_existed_if_they_roll_back(jobs: Jobs, engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), engine.begin() as connection:  # noqa: PT012
        job = jobs.submit("test-noop", connection=connection)
        connection.execute(insert(ORDERS))
        raise ZeroDivisionError
    assert (jobs.list(), _orders(engine)) == ([], 0)
    with pytest.raises(UnknownName):
        job.wait(5)


def test_a_session_will_do_and_the_first_statement_may_be_the_job(jobs: Jobs, engine: Engine) -> None:
    with Session(engine) as session:
        first = jobs.submit("test-noop", connection=session)
        session.execute(insert(ORDERS))
        second = jobs.submit("test-echo", text="hi", connection=session)
        session.commit()
        jobs.submit("test-noop", connection=session)
        session.rollback()
    assert jobs.list() == [second, first]


def test_after_a_read_the_transaction_can_still_enqueue(jobs: Jobs, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("BEGIN"))
        assert connection.scalar(select(func.count()).select_from(ORDERS)) == 0
        jobs.submit("test-noop", connection=connection)
        connection.commit()
    assert len(jobs.list()) == 1


def test_a_transaction_that_reads_an_old_state_is_told_to_try_again(jobs: Jobs, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("BEGIN"))
        connection.scalar(select(func.count()).select_from(ORDERS))
        jobs.submit("test-noop")
        with pytest.raises(StoreError, match="not enqueued") as caught:
            jobs.submit("test-noop", connection=connection)
        assert "try again" in str(caught.value)
    assert len(jobs.list()) == 1


def test_the_commit_wakes_a_worker(jobs: Jobs, engine: Engine) -> None:
    with jobs.work(), engine.begin() as connection:
        job = jobs.submit("test-noop", connection=connection)
        connection.commit()
        assert job.wait(20).status == "completed"


def test_others_wait_for_a_transaction_and_lose_nothing(jobs: Jobs, engine: Engine) -> None:
    submitted = []
    with engine.begin() as connection:
        jobs.submit("test-noop", connection=connection)
        other = threading.Thread(target=lambda: submitted.append(jobs.submit("test-noop")))
        other.start()
        time.sleep(0.3)
        assert submitted == []
    other.join(20)
    wait_until(lambda: len(jobs.list()) == 2)
    assert len({job.record.id for job in jobs.list()}) == 2


def test_another_database_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "other.db").close()
    other = create_engine(f"sqlite:///{tmp_path}/other.db")
    with other.begin() as connection, pytest.raises(StoreError, match=r"other\.db"):
        jobs.submit("test-noop", connection=connection)
    other.dispose()
    memory = create_engine("sqlite://")
    with memory.begin() as connection, pytest.raises(StoreError, match="in memory"):
        jobs.submit("test-noop", connection=connection)
    memory.dispose()
    with pytest.raises(UsageError, match="str is not an SQLAlchemy"):
        jobs.submit("test-noop", connection="jobs.db")  # type: ignore[arg-type]


def test_what_is_refused_leaves_their_transaction_as_it_was(jobs: Jobs, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(ORDERS))
        half = [JobRequest("test-noop", {}), JobRequest("test-noop", {}, depends_on=(Dependency("none"),))]
        with pytest.raises(UnknownName):
            jobs.submit_all(half, connection=connection)
    assert (jobs.list(), _orders(engine)) == ([], 1)


def test_an_engine_that_begins_its_transactions_itself_will_do(jobs: Jobs) -> None:
    """As SQLAlchemy's documentation says to, for serializable transactions with pysqlite."""
    own = create_engine(jobs.store.url)

    @event.listens_for(own, "connect")
    def connected(raw: sqlite3.Connection, _: object) -> None:
        raw.isolation_level = None

    @event.listens_for(own, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    with own.connect() as connection:
        jobs.submit("test-noop", connection=connection)
        connection.rollback()
        kept = jobs.submit("test-noop", connection=connection)
        connection.commit()
    own.dispose()
    assert jobs.list() == [kept]
