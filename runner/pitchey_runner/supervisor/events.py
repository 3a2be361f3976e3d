"""What a supervisor tells whoever watches it (the CLI's progress bars); the durable events are the store's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pitchey_core.errors import PitcheyError
from pitchey_runner.store.interface import JobState

__all__ = ["Event", "JobProgress", "JobSettled", "JobStarted", "Watcher"]


@dataclass(frozen=True, slots=True)
class JobStarted:
    """An attempt was handed to a slot."""

    job_id: str
    type: str
    attempt: int
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobProgress:
    """``fraction`` is 0 to 1, or ``None`` where the processor cannot tell."""

    job_id: str
    fraction: float | None
    message: str | None
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobSettled:
    """An attempt ended; ``state`` is what became of the job (``scheduled``: it runs again in ``retry_in`` seconds)."""

    job_id: str
    type: str
    state: JobState
    error: PitcheyError | None = None
    retry_in: float | None = None
    result: Mapping[str, Any] | None = None


Event = JobStarted | JobProgress | JobSettled
Watcher = Callable[[Event], None]
