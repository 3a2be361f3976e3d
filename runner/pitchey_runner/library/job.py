"""One job of a store, as programs hold it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from pitchey_core.errors import Cancelled, PitcheyError, UnknownName
from pitchey_core.processor import Result
from pitchey_runner.library.results import typed_result
from pitchey_runner.store.interface import JobRecord, JobState

if TYPE_CHECKING:
    from pitchey_runner.library.jobs import Jobs

__all__ = ["Job", "Progress", "finished_result"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        fraction: 0 to 1; ``None`` where nothing is known: it has not begun, or its processor cannot tell.
        message: What it does, in its processor's words.
    """

    fraction: float | None
    message: str | None


class Job:
    """A handle: the id, and everything else freshly read from the store.

    Attributes:
        id: The job's id, a UUID.
    """

    def __init__(self, jobs: Jobs, job_id: str) -> None:
        self._jobs = jobs
        self.id = job_id

    def __repr__(self) -> str:
        return f"<Job {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def record(self) -> JobRecord:
        """Everything that the store knows of it.

        Raises:
            UnknownName: It is not there: purged, or its transaction is not committed.
        """
        record = self._jobs.store.get(self.id)
        if record is None:
            raise UnknownName("job", self.id, (), remedy="it was purged, or its transaction is not committed")
        return record

    @property
    def status(self) -> JobState:
        """``scheduled``, ``blocked``, ``pending``, ``processing``, ``completed``, ``failed`` or ``cancelled``."""
        return self.record.status

    @property
    def progress(self) -> Progress:
        """How far it is, as of the worker's last heartbeat; of jobs in this process' own worker, as of now."""
        if (live := self._jobs.live_progress(self.id)) is not None:
            return live
        record = self.record
        if record.status is JobState.COMPLETED:
            return Progress(1.0, record.message)
        return Progress(record.progress, record.message)

    @property
    def result(self) -> Result[Any] | None:
        """What it gave back; ``None`` while it is not finished. Of a failed job, ``result.error`` says why."""
        record = self.record
        return typed_result(self._jobs.registry, record) if record.status.finished else None

    def wait(self, timeout: float | None = None, *, check: bool = True, show: bool = False) -> Result[Any]:
        """Wait until it is finished, and return its result.

        Args:
            timeout: Seconds to wait at most.
            check: Raise the job's error. With ``False`` it is in ``result.error``.
            show: Draw a progress bar, in a terminal or a notebook.

        Raises:
            TimeoutError: It is not finished yet; it goes on.
            PitcheyError: What the job ended with, unless ``check`` is false.
            StoreError: The store cannot be used, or the worker of this process has failed.
        """
        (record,) = self._jobs.wait_for([self.id], timeout, show=show)
        return finished_result(self._jobs, record, check=check)

    def cancel(self) -> JobState:
        """Cancel it: at once where it waits, through its worker where it runs. The answer is its state by then."""
        (state,) = self._jobs.store.cancel([self.id])
        return self.status if state is None else state

    def retry(self) -> JobState:
        """Put it in line again if it failed or was cancelled. The answer is its state by then."""
        (state,) = self._jobs.store.retry([self.id])
        return self.status if state is None else state

    def _repr_html_(self) -> str:
        """What a notebook shows: the result if there is one, else how far it is."""
        record = self.record
        if record.status.finished:
            return typed_result(self._jobs.registry, record)._repr_html_()
        progress = self.progress
        done = "" if progress.fraction is None else f" {progress.fraction:.0%}"
        words = f"{record.type} {self.id[:8]}: {record.status.value}{done} {progress.message or ''}"
        return f"<p>{escape(words.strip())}</p>"


def finished_result(jobs: Jobs, record: JobRecord, *, check: bool) -> Result[Any]:
    """The result of a finished job.

    Raises:
        PitcheyError: What it ended with, if ``check``.
    """
    result = typed_result(jobs.registry, record)
    if check and record.status is not JobState.COMPLETED:
        raise result.error or _unfinished(record)
    return result


def _unfinished(record: JobRecord) -> PitcheyError:
    return Cancelled(f"job {record.id} was cancelled before it ran")
