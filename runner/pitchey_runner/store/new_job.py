"""What is given to a store: a job, and on what terms it may run."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from pitchey_core.errors import UsageError

__all__ = ["LONGEST_SECONDS", "MOST", "Dependency", "NewJob", "OnFailure", "Priority", "RateLimit", "Unique"]

LONGEST_SECONDS: Final = 10 * 365 * 86_400.0
"""No delay, limit or period is longer than ten years: times are kept in integer microseconds."""
MOST: Final = 2**31 - 1
"""No count is higher."""


class Priority(StrEnum):
    """A priority is a head start in the line, so a lower one is delayed but never starved."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def head_start_seconds(self) -> float:
        return _HEAD_START[self]


_HEAD_START = {Priority.HIGH: 3600.0, Priority.MEDIUM: 600.0, Priority.LOW: 0.0}


class OnFailure(StrEnum):
    """What becomes of a job when one that it depends on fails or is cancelled.

    ``cancel``: it is cancelled as well, with the reason. ``run``: it runs all the same. ``hold``: it goes on
    waiting, for somebody to retry the other one or to cancel it.
    """

    CANCEL = "cancel"
    RUN = "run"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A job that has to be ``completed`` before another one may run."""

    job_id: str
    on_failure: OnFailure = OnFailure.CANCEL


@dataclass(frozen=True, slots=True)
class Unique:
    """There is one job of this key at a time among those of the same type and organization.

    Attributes:
        seconds: The key is taken for so long from the enqueueing on, whatever becomes of the job; ``None``:
            until the job is finished.

    Raises:
        UsageError: The key is empty, or the time is none.
    """

    key: str
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.key:
            raise UsageError(
                "unique: an empty key would make all jobs one", remedy="leave it out, or name one"
            )
        if self.seconds is not None and not 0 < self.seconds <= LONGEST_SECONDS:
            raise UsageError(
                f"unique: {self.seconds} is not a number of seconds above 0, up to 10 years, to take a key for"
            )


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many starts in so many seconds: a token bucket that holds ``count`` and fills evenly.

    After a quiet time ``count`` jobs may start at once, then one each ``seconds / count``.

    Raises:
        UsageError: It would let nothing start, or is longer than ten years.
    """

    count: int
    seconds: float

    def __post_init__(self) -> None:
        if not (1 <= self.count <= MOST and 0 < self.seconds <= LONGEST_SECONDS):
            raise UsageError(
                f"rate: {self.count} in {self.seconds} seconds is none",
                remedy=f"a count from 1 to {MOST}, in more than 0 seconds, up to 10 years",
            )


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to enqueue.

    Raises:
        UsageError: There is a key without a limit, or a limit without a key, or one that lets nothing run; or a time is
            longer than ten years, or no number at all.

    Attributes:
        type: Name of the processor, never an alias; also the name of the queue.
        payload: JSON object, with every path already an absolute URL.
        output: URL of the folder that the outputs are published in.
        overwrite: Whether outputs that exist there may be replaced.
        delay_seconds: How long to wait before the job becomes ready.
        max_attempts: Attempts in all; retries + 1.
        batch_id: The batch that this job belongs to.
        item_key: Identity of the item within its batch; unique per batch.
        input_digest: Digest of type, payload and inputs.
        input_bytes: Size of its inputs, as far as it is known; estimates learn from it.
        wall_limit: Seconds that one run may take; ``None``: the processor's own.
        unique: Refuse this job where one of its key is there.
        depends_on: Jobs that have to be completed first: of the store, or earlier ones of the same call.
        concurrency_key: The jobs of one queue that share a key stand in one line of their own, out of which at
            most ``concurrency_limit`` run at a time and at most ``rate`` start.
        trace_parent: W3C trace context of whoever submitted it.
        schedule, fire_at: The schedule that this job comes from, and its fire time in microseconds since 1970.
    """

    type: str
    payload: dict[str, Any]
    priority: Priority = Priority.MEDIUM
    output: str | None = None
    overwrite: bool = False
    delay_seconds: float = 0.0
    max_attempts: int = 4
    instance_type: str = "standard-1"
    wall_limit: float | None = None
    batch_id: str | None = None
    item_key: str | None = None
    input_digest: str | None = None
    input_bytes: int | None = None
    plugin_version: str | None = None
    organization_id: str = "default"
    submitted_by: str | None = None
    unique: Unique | None = None
    depends_on: tuple[Dependency, ...] = ()
    concurrency_key: str | None = None
    concurrency_limit: int | None = None
    rate: RateLimit | None = None
    trace_parent: str | None = None
    schedule: str | None = None
    fire_at: int | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        limited = self.concurrency_limit is not None or self.rate is not None
        if limited != (self.concurrency_key is not None):
            raise UsageError("a concurrency_key needs a concurrency_limit or a rate, and they need a key")
        if self.concurrency_limit is not None and not 1 <= self.concurrency_limit <= MOST:
            raise UsageError(f"concurrency_limit: {self.concurrency_limit} is not a number from 1 to {MOST}")
        # What is no number at all is not above it either.
        if not self.delay_seconds <= LONGEST_SECONDS:
            raise UsageError(f"delay: {self.delay_seconds} is not a number of seconds, up to 10 years")
        if self.wall_limit is not None and not self.wall_limit <= LONGEST_SECONDS:
            raise UsageError(f"wall_limit: {self.wall_limit} is not a number of seconds, up to 10 years")
