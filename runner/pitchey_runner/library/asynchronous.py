"""The same for programs with an event loop: nothing here blocks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from pitchey_core.processor import Result
from pitchey_runner.library.changes import until_async
from pitchey_runner.library.job import Job, Progress, finished_result
from pitchey_runner.library.jobs import Jobs
from pitchey_runner.library.showing import showing
from pitchey_runner.library.waiting import Waiting
from pitchey_runner.library.worker import Worker
from pitchey_runner.store.interface import JobRecord, JobState
from pitchey_runner.submission import JobRequest

__all__ = ["AsyncJob", "AsyncJobs"]

T = TypeVar("T")


async def _call(call: Callable[..., T], *args: Any, **options: Any) -> T:
    return await anyio.to_thread.run_sync(partial(call, *args, **options))


async def _joined(submit: Callable[..., T], connection: Any) -> T:
    """Submit in a transaction: an asynchronous one goes on in this event loop, a statement at a time."""
    if connection is None:
        return await _call(submit)
    if not hasattr(connection, "run_sync"):
        return await _call(submit, connection=connection)
    joined: T = await connection.run_sync(lambda sync: submit(connection=sync))
    return joined


class AsyncJob:
    """A :class:`~pitchey_runner.Job` whose every question is awaited.

    Attributes:
        id: The job's id, a UUID.
    """

    def __init__(self, jobs: Jobs, job: Job) -> None:
        self._jobs = jobs
        self._job = job
        self.id = job.id

    def __repr__(self) -> str:
        return f"<AsyncJob {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncJob) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    async def record(self) -> JobRecord:
        """See :attr:`Job.record`."""
        return await _call(lambda: self._job.record)

    async def status(self) -> JobState:
        """See :attr:`Job.status`."""
        return await _call(lambda: self._job.status)

    async def progress(self) -> Progress:
        """See :attr:`Job.progress`."""
        return await _call(lambda: self._job.progress)

    async def result(self) -> Result[Any] | None:
        """See :attr:`Job.result`."""
        return await _call(lambda: self._job.result)

    async def wait(
        self, timeout: float | None = None, *, check: bool = True, show: bool = False  # noqa: ASYNC109
    ) -> Result[Any]:  # fmt: skip
        """See :meth:`Job.wait`. Cancelling the wait leaves the job as it is."""
        with showing(show) as view:
            waiting = Waiting(self._jobs, [self.id], view=view)
            otherwise = f"job {self.id} has not finished"
            (record,) = await until_async(self._jobs.store, waiting.look, timeout, otherwise)
        return await _call(finished_result, self._jobs, record, check=check)

    async def cancel(self) -> JobState:
        """See :meth:`Job.cancel`."""
        return await _call(self._job.cancel)

    async def retry(self) -> JobState:
        """See :meth:`Job.retry`."""
        return await _call(self._job.retry)


class AsyncJobs:
    """Made by :func:`pitchey_runner.open_async`; see :class:`~pitchey_runner.Jobs`.

    Attributes:
        sync: The same jobs for code that may block.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.sync = jobs

    async def submit(
        self,
        processor: str,
        payload: Mapping[str, Any] | None = None,
        *,
        connection: Any = None,
        **options: Any,
    ) -> AsyncJob:
        """See :meth:`Jobs.submit`; ``connection`` may be an ``AsyncConnection`` or ``AsyncSession``, too."""
        job = await _joined(partial(self.sync.submit, processor, payload, **options), connection)
        return AsyncJob(self.sync, job)

    async def submit_all(
        self, requests: Iterable[JobRequest], *, batch: str | None = None, connection: Any = None
    ) -> list[AsyncJob]:
        """See :meth:`Jobs.submit_all` and :meth:`submit`."""
        submit = partial(self.sync.submit_all, requests, batch=batch)
        return [AsyncJob(self.sync, job) for job in await _joined(submit, connection)]

    async def get(self, job_id: str) -> AsyncJob:
        """See :meth:`Jobs.get`."""
        return AsyncJob(self.sync, await _call(self.sync.get, job_id))

    async def map(
        self,
        processor: str,
        payloads: Iterable[Mapping[str, Any]],
        *,
        check: bool = True,
        show: bool = False,
        **options: Any,
    ) -> AsyncIterator[Result[Any]]:
        """See :meth:`Jobs.map`."""
        with showing(show) as view:
            flight = self.sync.flight(processor, payloads, view=view, **options)
            try:
                while await _call(flight.fill):
                    await until_async(self.sync.store, flight.look, None)
                    for record in flight.landed():
                        yield await _call(finished_result, self.sync, record, check=check)
            finally:
                with anyio.CancelScope(shield=True):
                    await _call(flight.cancel)

    async def as_completed(
        self, jobs: Iterable[AsyncJob], *, timeout: float | None = None, show: bool = False  # noqa: ASYNC109
    ) -> AsyncIterator[AsyncJob]:  # fmt: skip
        """See :meth:`Jobs.as_completed`."""
        by_id = {job.id: job for job in jobs}
        with showing(show) as view:
            waiting = Waiting(self.sync, by_id, view=view)
            while len(waiting):
                for record in await until_async(
                    self.sync.store, waiting.look, timeout, "no job has finished"
                ):
                    yield by_id[record.id]

    @asynccontextmanager
    async def work(
        self, *, types: Collection[str] | None = None, slots: int | None = None
    ) -> AsyncIterator[Worker]:
        """See :meth:`Jobs.work`."""
        work = self.sync.work(types=types, slots=slots)
        worker = await _call(work.__enter__)
        try:
            yield worker
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await _call(work.__exit__, type(error), error, error.__traceback__)
            raise
        else:
            with anyio.CancelScope(shield=True):
                await _call(work.__exit__, None, None, None)

    async def drain(
        self, *, types: Collection[str] | None = None, slots: int | None = None
    ) -> Mapping[JobState, int]:
        """See :meth:`Jobs.drain`. Cancelled, it stops what runs and puts it in line again."""
        worker = Worker(self.sync.store, self.sync.host, types=types, slots=slots, drain=True)
        await _call(worker.start)
        at_once = True
        try:
            await worker.joined()
            at_once = False
        finally:
            with anyio.CancelScope(shield=True):
                await _call(worker.stop, at_once=at_once)
        return dict(worker.ended)

    # Last, because below it the name would hide the built-in type in annotations.
    async def list(self, **where: Any) -> list[AsyncJob]:
        """See :meth:`Jobs.list`."""
        return [AsyncJob(self.sync, job) for job in await _call(self.sync.list, **where)]
