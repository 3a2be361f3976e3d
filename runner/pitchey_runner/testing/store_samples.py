"""Small building stones for tests of job stores."""

from __future__ import annotations

from typing import Any

from pitchey_core.pricing import Usage
from pitchey_runner.store.interface import JobStore
from pitchey_runner.store.records import (
    AttemptOutcome,
    Claim,
    ClaimedJob,
    JobState,
    NewJob,
    Priority,
    Settlement,
    WorkerInfo,
)

__all__ = ["ManualClock", "completed", "failed", "job", "one_claimed", "retried", "worker"]


class ManualClock:
    """A clock for stores, in microseconds since 1970 UTC, that stands still between :meth:`advance`."""

    def __init__(self) -> None:
        self._now = 1_800_000_000_000_000

    def __call__(self) -> int:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += round(seconds * 1_000_000)


def worker(name: str = "w1", *, lease_seconds: float = 30.0) -> WorkerInfo:
    """A worker of an imaginary host."""
    return WorkerInfo(
        id=name,
        host="host",
        boot_id="boot",
        pid=4711,
        pid_started=12345,
        pid_namespace=4026531836,
        types=("video", "code"),
        lease_seconds=lease_seconds,
    )


def job(job_type: str = "video", **changes: Any) -> NewJob:
    """A job with a payload of its own."""
    changes.setdefault("payload", {"input_url": "file:///teaser.mp4", "thumbnail_count": 5})
    changes.setdefault("priority", Priority.MEDIUM)
    return NewJob(job_type, **changes)


def one_claimed(
    store: JobStore, by: WorkerInfo | None = None, job_type: str = "video", **changes: Any
) -> ClaimedJob:
    """Enqueue a job and claim it; its queue must be empty."""
    new = job(job_type, **changes)
    assert store.enqueue([new]) == [new.id]
    (claimed,) = store.claim(by or worker(), new.type, 1)
    assert claimed.claim.job_id == new.id
    return claimed


def completed(claim: Claim, **changes: Any) -> Settlement:
    changes.setdefault("result", {"status": "completed"})
    return Settlement(claim, AttemptOutcome.COMPLETED, JobState.COMPLETED, **changes)


def failed(claim: Claim, **changes: Any) -> Settlement:
    changes.setdefault("error", {"class": "InputError", "message": "no video in it"})
    return Settlement(claim, AttemptOutcome.FAILED, JobState.FAILED, **changes)


def retried(claim: Claim, retry_in: float = 0.0, **changes: Any) -> Settlement:
    changes.setdefault("error", {"class": "TransientError", "message": "not now"})
    changes.setdefault("usage", Usage(wall_us=1000, cpu_us=500))
    return Settlement(claim, AttemptOutcome.FAILED, JobState.SCHEDULED, retry_in=retry_in, **changes)
