"""A job that is enqueued in its program's own Postgres transaction is there if, and only if, that commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

import pitchey_runner
from pitchey_core.errors import StoreError
from pitchey_core.registry import Registry
from pitchey_runner import Jobs, JobState


@pytest.fixture
def jobs(database: str, tmp_path: Path, registry: Registry) -> Iterator[Jobs]:
    with pitchey_runner.open(database, registry=registry, data_dir=str(tmp_path / "data")) as opened:
        yield opened


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = _engine(database)
    yield engine
    engine.dispose()


def _engine(url: str) -> Engine:
    return create_engine("postgresql+psycopg://" + url.partition("://")[2])


def test_it_exists_if_and_only_if_they_commit(jobs: Jobs, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id int)"))
    with Session(engine) as session:
        job = jobs.submit("test-noop", connection=session)
        session.execute(text("INSERT INTO theirs VALUES (1)"))
        assert jobs.list() == []
        session.commit()
        jobs.submit("test-noop", connection=session)
        session.execute(text("INSERT INTO theirs VALUES (2)"))
        session.rollback()
        assert session.execute(text("SELECT count(*) FROM theirs")).scalar() == 1
    assert jobs.list() == [job]
    assert jobs.drain() == {JobState.COMPLETED: 1}


def test_the_commit_wakes_a_worker(jobs: Jobs, engine: Engine) -> None:
    with jobs.work(), engine.connect() as connection:
        job = jobs.submit("test-noop", connection=connection)
        connection.commit()
        assert job.wait(30).status == "completed"


def test_another_database_is_refused(jobs: Jobs, new_database: Callable[[], str], tmp_path: Path) -> None:
    for other in (_engine(new_database()), create_engine(f"sqlite:///{tmp_path}/other.db")):
        with other.connect() as connection, pytest.raises(StoreError, match="another database"):
            jobs.submit("test-noop", connection=connection)
        other.dispose()
    assert jobs.list() == []
