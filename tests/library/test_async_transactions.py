"""Jobs in the own transaction of a program with an event loop, on both databases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

import pitchey_runner
from pitchey_core.errors import UnknownName, UsageError
from pitchey_core.registry import Registry
from pitchey_runner import AsyncJobs, JobState
from pitchey_runner.store.interface import Dependency
from pitchey_runner.submission import JobRequest

Body = Callable[[AsyncJobs, AsyncEngine], Awaitable[None]]
Run = Callable[..., None]


@pytest.fixture(params=["sqlite", "postgresql"])
def run(request: pytest.FixtureRequest, tmp_path: Path, registry: Registry) -> Run:
    """Runs something with a store, and with an engine of the program's own on its database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/jobs.db"
        theirs = url.replace("sqlite://", "sqlite+aiosqlite://")
    else:
        url = request.getfixturevalue("database")
        theirs = url.replace("postgresql://", "postgresql+psycopg://")

    def run(body: Body, **options: Any) -> None:
        async def main() -> None:
            data = str(tmp_path / "data")
            async with pitchey_runner.open_async(url, registry=registry, data_dir=data) as jobs:
                engine = create_async_engine(theirs, **options)
                try:
                    await body(jobs, engine)
                finally:
                    await engine.dispose()

        anyio.run(main)

    return run


def test_they_exist_if_and_only_if_a_session_or_connection_commits(run: Run) -> None:
    async def body(jobs: AsyncJobs, engine: AsyncEngine) -> None:
        async with AsyncSession(engine) as session:
            await session.execute(text("SELECT 1"))
            first = await jobs.submit("test-noop", connection=session)
            assert await jobs.list() == []
            await session.commit()
            await jobs.submit("test-noop", connection=session)
            await session.rollback()
        async with engine.begin() as connection:
            second = await jobs.submit("test-noop", unique="one", connection=connection)
            assert await jobs.submit("test-noop", unique="one", connection=connection) == second
        assert await jobs.list() == [second, first]
        assert await jobs.drain() == {JobState.COMPLETED: 2}

    run(body)


def test_many_at_once_go_in_together(run: Run) -> None:
    async def body(jobs: AsyncJobs, engine: AsyncEngine) -> None:
        requests = [JobRequest("test-noop", {"value": number}) for number in range(1500)]
        async with engine.begin() as connection:
            submitted = await jobs.submit_all(requests, batch="all", connection=connection)
        assert len(submitted) == 1500
        assert len(await jobs.list(batch="all", limit=2000)) == 1500
        alone = await jobs.submit_all(requests[:2])
        assert await jobs.list(limit=2) == alone[::-1]

    run(body)


def test_jobs_with_a_key_get_into_its_line(run: Run) -> None:
    async def body(jobs: AsyncJobs, engine: AsyncEngine) -> None:
        keyed = JobRequest("test-noop", {}, concurrency_key="k", concurrency_limit=1)
        async with engine.begin() as connection:
            await jobs.submit_all([keyed] * 3, connection=connection)
        assert await jobs.drain() == {JobState.COMPLETED: 3}

    run(body)


def test_what_is_refused_leaves_their_transaction_as_it_was(run: Run) -> None:
    async def body(jobs: AsyncJobs, engine: AsyncEngine) -> None:
        async with AsyncSession(engine) as session:
            kept = await jobs.submit("test-noop", connection=session)
            half = [
                JobRequest("test-noop", {}),
                JobRequest("test-noop", {}, depends_on=(Dependency("none"),)),
            ]
            with pytest.raises(UnknownName):
                await jobs.submit_all(half, connection=session)
            await session.commit()
        assert await jobs.list() == [kept]

    run(body)


def test_transactions_of_one_event_loop_wait_for_each_other_without_stopping_it(run: Run) -> None:
    async def body(jobs: AsyncJobs, engine: AsyncEngine) -> None:
        async def submit(wait: float) -> None:
            async with engine.begin() as connection:
                await jobs.submit("test-noop", connection=connection)
                await anyio.sleep(wait)

        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(submit, 0.5)
                await anyio.sleep(0.1)
                group.start_soon(submit, 0.0)
                group.start_soon(submit, 0.0)
        assert len(await jobs.list()) == 3

    run(body)


def test_a_connection_without_transactions_is_refused(run: Run) -> None:
    async def body(jobs: AsyncJobs, engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            with pytest.raises(UsageError, match="commits each statement") as caught:
                await jobs.submit("test-noop", connection=connection)
            assert "AUTOCOMMIT" in str(caught.value)
        assert await jobs.list() == []

    run(body, isolation_level="AUTOCOMMIT")
