"""A job store, as programs use it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Union

from pitchey_core.errors import UnknownName
from pitchey_core.host import Host
from pitchey_core.processor import Result
from pitchey_core.registry import Registry
from pitchey_runner.library.changes import until
from pitchey_runner.library.flight import Flight
from pitchey_runner.library.job import Job, Progress, finished_result
from pitchey_runner.library.showing import View, showing
from pitchey_runner.library.waiting import Waiting
from pitchey_runner.library.worker import Worker
from pitchey_runner.store.interface import (
    Dependency,
    JobFilter,
    JobRecord,
    JobState,
    JobStore,
    NewJob,
    Priority,
    Unique,
)
from pitchey_runner.submission import JobRequest, new_job, submit

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

__all__ = ["Jobs", "Outputs", "Transaction"]

Transaction = Union["Connection", "Session"]
"""What an SQLAlchemy program calls its open transaction."""

Outputs = str | Path | Callable[[Mapping[str, Any]], str | Path] | None
"""A folder for all jobs, or a function that names one for each payload."""

W = TypeVar("W", Priority, JobState)

_MOST_IN_FLIGHT: Final = 1000


class Jobs:
    """Made by :func:`pitchey_runner.open`; close it, or use it in a ``with`` block. Thread-safe.

    Attributes:
        store: The store itself, with all that it can do.
        host: The installed plugins under this host's settings.
    """

    def __init__(self, store: JobStore, host: Host) -> None:
        self.store = store
        self.host = host
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store. Safe to call twice."""
        self.store.close()

    @property
    def registry(self) -> Registry:
        return self.host.registry

    # -- giving work ------------------------------------------------------------------------------------------

    def submit(
        self,
        processor: str,
        payload: Mapping[str, Any] | None = None,
        *,
        output: str | Path | None = None,
        overwrite: bool = False,
        priority: Priority | str = Priority.MEDIUM,
        delay: float = 0.0,
        wall_limit: float | None = None,
        instance_type: str | None = None,
        batch: str | None = None,
        unique: str | None = None,
        after: Iterable[Job] = (),
        connection: Transaction | None = None,
        **fields: Any,
    ) -> Job:
        """Put a job into the store. It is durable when this returns.

        Args:
            processor: Name or alias.
            payload: The payload as a mapping; ``fields`` are merged over it. Relative paths start at the working
                folder.
            output: Folder (path or URL) to publish the outputs in.
            overwrite: Replace outputs that are there already.
            priority: ``high``, ``medium`` or ``low``.
            delay: Seconds before it may run.
            wall_limit: Seconds that one run may take; default: the processor's own limit.
            instance_type: What it reserves; default: the processor's own.
            batch: A name that several jobs share, for ``list`` and ``pitchey-run watch --batch``.
            unique: Where an unfinished job of this processor has the same key, that one is the answer.
            after: Jobs that have to be completed first; if one fails, this one is cancelled.
            connection: An SQLAlchemy ``Connection`` or ``Session`` to the database of this store. The job is
                inserted in its transaction: it is there if, and only if, that commits.

        Raises:
            UnknownName, UsageError: The processor does not exist, or the payload is wrong.
            InputError: A path is none.
            ExtraMissing: The processor needs packages that are not installed.
            BudgetExceeded: A budget takes no new jobs.
            StoreError: The store cannot be used, or ``connection`` leads to another database.
        """
        request = JobRequest(
            processor,
            {**(payload or {}), **fields},
            output=None if output is None else str(output),
            overwrite=overwrite,
            priority=_one_of(Priority, priority),
            delay_seconds=delay,
            wall_limit=wall_limit,
            instance_type=instance_type,
            unique=None if unique is None else Unique(unique),
            depends_on=tuple(Dependency(each.id) for each in after),
        )
        (job,) = self.submit_all([request], batch=batch, connection=connection)
        return job

    def submit_all(
        self,
        requests: Iterable[JobRequest],
        *,
        batch: str | None = None,
        connection: Transaction | None = None,
    ) -> list[Job]:
        """Put many jobs into the store in one transaction, all or none; see :meth:`submit`."""
        base = Path.cwd()
        new = [new_job(self.host, each, base=base, batch_id=batch) for each in requests]
        return [Job(self, job_id) for job_id in self._enqueue(new, connection)]

    def _enqueue(self, new: Sequence[NewJob], connection: Transaction | None) -> list[str]:
        if connection is None:
            return submit(self.store, new)
        from pitchey_runner.store.joining import enqueue_in

        return enqueue_in(self.store, connection, new)

    def map(
        self,
        processor: str,
        payloads: Iterable[Mapping[str, Any]],
        *,
        output: Outputs = None,
        overwrite: bool = False,
        priority: Priority | str = Priority.MEDIUM,
        max_in_flight: int = _MOST_IN_FLIGHT,
        check: bool = True,
        show: bool = False,
    ) -> Iterator[Result[Any]]:
        """Submit a job for each payload, and yield their results in the same order.

        Payloads are taken as there is room for them, so there may be endlessly many. If the loop is left early, or
        a result raises, the jobs that are not finished are cancelled.

        Args:
            output: A folder for all jobs, or a function that names one for each payload.
            max_in_flight: Most jobs that are submitted and not yielded yet.
            check: Raise the error of a job that failed, in its turn. With ``False`` it is in ``result.error``.
            show: Draw progress bars, in a terminal or a notebook.

        Raises:
            The errors of :meth:`submit` and :meth:`Job.wait`.
        """
        with showing(show) as view:
            flight = self.flight(
                processor,
                payloads,
                output=output,
                overwrite=overwrite,
                priority=priority,
                max_in_flight=max_in_flight,
                view=view,
            )
            try:
                while flight.fill():
                    until(self.store, flight.look, None)
                    for record in flight.landed():
                        yield finished_result(self, record, check=check)
            finally:
                flight.cancel()

    def flight(
        self,
        processor: str,
        payloads: Iterable[Mapping[str, Any]],
        *,
        output: Outputs = None,
        overwrite: bool = False,
        priority: Priority | str = Priority.MEDIUM,
        max_in_flight: int = _MOST_IN_FLIGHT,
        view: View | None = None,
    ) -> Flight:
        """The jobs of :meth:`map`, for those who wait in their own way."""
        urgency = _one_of(Priority, priority)
        requests = (_request(processor, payload, output, overwrite, urgency) for payload in payloads)
        total = len(payloads) if isinstance(payloads, Collection) else None
        return Flight(self, requests, most=max_in_flight, total=total, view=view)

    # -- looking ----------------------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """A job by its id.

        Raises:
            UnknownName: It is not in the store.
        """
        return Job(self, Job(self, job_id).record.id)

    # -- waiting ----------------------------------------------------------------------------------------------

    def as_completed(
        self, jobs: Iterable[Job], *, timeout: float | None = None, show: bool = False
    ) -> Iterator[Job]:
        """Yield jobs as they finish, well or not.

        Args:
            timeout: Seconds from one to the next.

        Raises:
            TimeoutError: None finished for so long.
        """
        by_id = {job.id: job for job in jobs}
        with showing(show) as view:
            waiting = Waiting(self, by_id, view=view)
            while len(waiting):
                for record in until(self.store, waiting.look, timeout, "no job has finished"):
                    yield by_id[record.id]

    def wait_for(
        self, ids: Sequence[str], timeout: float | None = None, *, show: bool = False
    ) -> Sequence[JobRecord]:
        """The records of jobs, once all are finished."""
        found: dict[str, JobRecord] = {}

        def look() -> bool | None:
            found.update({record.id: record for record in waiting.look() or ()})
            return None if len(waiting) else True

        with showing(show) as view:
            waiting = Waiting(self, ids, view=view)
            which = f"job {ids[0]} has" if len(ids) == 1 else f"{len(ids)} jobs have"
            until(self.store, look, timeout, f"{which} not finished")
        return [found[job_id] for job_id in ids]

    # -- working ----------------------------------------------------------------------------------------------

    @contextmanager
    def work(self, *, types: Collection[str] | None = None, slots: int | None = None) -> Iterator[Worker]:
        """Work on the jobs of the store in the background while the block runs: a notebook needs no second terminal.

        At its end what runs is finished; jobs that have not begun stay in the store. After an error, or Ctrl-C, what
        runs is stopped and put in line again.

        Args:
            types: Only jobs of these processors.
                slots: Most jobs at a time; default: what the host can.
        """
        worker = Worker(self.store, self.host, types=types, slots=slots)
        self._workers.append(worker)
        try:
            with worker:
                yield worker
        finally:
            self._workers.remove(worker)

    def drain(
        self, *, types: Collection[str] | None = None, slots: int | None = None
    ) -> Mapping[JobState, int]:
        """Work until nothing is left to do, and say how many jobs ended how; see :meth:`work`."""
        worker = Worker(self.store, self.host, types=types, slots=slots, drain=True)
        with worker:
            worker.join()
        return dict(worker.ended)

    def check_worker(self) -> None:
        """Make sure that whoever waits here does not wait for a worker that is gone.

        Raises:
            StoreError: A worker of this process has failed.
        """
        for worker in self._workers:
            worker.check()

    def live_progress(self, job_id: str) -> Progress | None:
        """How far a job is that runs in this process' own worker."""
        return next((found for each in self._workers if (found := each.progress.get(job_id))), None)

    # Last, because below it the name would hide the built-in type in annotations.
    def list(
        self,
        *,
        status: JobState | str | Collection[JobState | str] = (),
        type: str | Collection[str] = (),  # noqa: A002 - the record's word
        batch: str | None = None,
        limit: int = 100,
    ) -> list[Job]:
        """Jobs, the newest first.

        Args:
            status: Only those in this state, or in one of these.
            type: Only those of this processor, or of one of these.
            batch: Only those of this batch.

        Raises:
            UnknownName: There is no such processor, or no such state.
        """
        states = [status] if isinstance(status, str) else status
        types = [type] if isinstance(type, str) else type
        where = JobFilter(
            states=[_one_of(JobState, state) for state in states],
            types=[self.registry.spec(name).name for name in types],
            batch_id=batch,
        )
        return [Job(self, record.id) for record in self.store.list(where, limit=limit)]


def _one_of(words: type[W], word: str) -> W:
    """A word as the one that it is.

    Raises:
        UnknownName: It is none of them.
    """
    try:
        return words(word)
    except ValueError:
        kind = "priority" if words is Priority else "state"
        raise UnknownName(kind, word, [each.value for each in words]) from None


def _request(
    processor: str, payload: Mapping[str, Any], output: Outputs, overwrite: bool, priority: Priority
) -> JobRequest:
    folder = output(payload) if callable(output) else output
    return JobRequest(
        processor,
        payload,
        output=None if folder is None else str(folder),
        overwrite=overwrite,
        priority=priority,
    )
