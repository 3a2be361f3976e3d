"""What a supervisor tells whoever watches it (the CLI's progress bars, metrics, traces, plugins' observers)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pitchey_core.errors import PitcheyError
from pitchey_core.pricing import Usage
from pitchey_core.registry import Registry
from pitchey_runner.store.interface import AttemptOutcome, ClaimedJob, JobState, JobStore
from pitchey_runner.supervisor.observing import Observers

__all__ = ["Event", "JobProgress", "JobSettled", "JobStarted", "Teller", "Watcher"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobStarted:
    """An attempt was handed to a slot.

    Attributes:
        claim_seq: The number of the claim; attempts of one number may have several.
        trace_parent: W3C trace context of whoever submitted the job.
    """

    job_id: str
    type: str
    attempt: int
    payload: Mapping[str, Any]
    claim_seq: int = 0
    created_at: datetime | None = None
    trace_parent: str | None = None

    @classmethod
    def of(cls, job: ClaimedJob) -> JobStarted:
        """The start of a claimed job."""
        return cls(
            job.claim.job_id,
            job.type,
            job.attempt,
            job.payload,
            job.claim.claim_seq,
            job.created_at,
            job.trace_parent,
        )


@dataclass(frozen=True, slots=True)
class JobProgress:
    """``fraction`` is 0 to 1, or ``None`` where the processor cannot tell."""

    job_id: str
    fraction: float | None
    message: str | None
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobSettled:
    """An attempt ended; ``state`` is what became of the job (``scheduled``: it runs again in ``retry_in`` seconds).

    Attributes:
        outcome: How the attempt ended; ``None``: the store itself has ended the job.
        result: The Result object, once the job is finished.
        usage, cost_nanos: Of the attempt.
    """

    job_id: str
    type: str
    state: JobState
    error: PitcheyError | None = None
    retry_in: float | None = None
    result: Mapping[str, Any] | None = None
    outcome: AttemptOutcome | None = None
    usage: Usage | None = None
    cost_nanos: int = 0


Event = JobStarted | JobProgress | JobSettled
Watcher = Callable[[Event], None]


class Teller:
    """Tells the watcher at once, and the observers that plugins have registered when they get to it."""

    def __init__(self, watcher: Watcher | None, registry: Registry, store: JobStore) -> None:
        self._watcher = watcher
        targets = {name: each.spec.target for name, each in registry.observers.items()}
        self._observers = Observers(targets, store) if targets else None

    def tell(self, event: Event) -> None:
        if self._watcher is not None:
            try:
                self._watcher(event)
            except BrokenPipeError:
                # Whoever read has had enough. The work goes on, untold.
                self._watcher = None
            except Exception:  # noqa: BLE001 - what is shown of the work must not stop it
                _log.exception("the watcher failed")
        if self._observers is not None:
            self._observers.tell(event)

    def open(self) -> None:
        """Begin to tell the observers what happens in the store."""
        if self._observers is not None:
            self._observers.open()

    def close(self) -> None:
        """Let the observers hear the last, but not for ever. Blocking."""
        if self._observers is not None:
            self._observers.close()
