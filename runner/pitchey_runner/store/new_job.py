"""What is given to a store: a job, and on what terms it may run."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Dependency", "NewJob", "OnFailure", "Priority", "RateLimit", "Unique"]


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
    """

    key: str
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and self.seconds <= 0:
            raise ValueError(f"a key is taken for more than {self.seconds} seconds")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many starts in so many seconds: a token bucket that holds ``count`` and fills evenly.

    After a quiet time ``count`` jobs may start at once, then one each ``seconds / count``.
    """

    count: int
    seconds: float

    def __post_init__(self) -> None:
        if self.count < 1 or self.seconds <= 0:
            raise ValueError(f"a rate of {self.count} in {self.seconds} seconds lets nothing start")


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to enqueue.

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
            raise ValueError("a concurrency_key needs a concurrency_limit or a rate, and they need a key")
        if self.concurrency_limit is not None and self.concurrency_limit < 1:
            raise ValueError(f"concurrency_limit: with {self.concurrency_limit} at a time it never runs")
