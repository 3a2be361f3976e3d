"""What a supervisor tells whoever watches it (the CLI's progress bars); the durable events are the store's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pitchey_core.errors import PitcheyError
from pitchey_core.hooks import load_target
from pitchey_core.registry import Registry
from pitchey_runner.store.interface import JobState

__all__ = ["Event", "JobProgress", "JobSettled", "JobStarted", "Teller", "Watcher"]

_log = logging.getLogger(__name__)


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


class Teller:
    """Tells the watcher, and the observers that plugins have registered (as JSON data, with a ``kind``)."""

    def __init__(self, watcher: Watcher | None, registry: Registry) -> None:
        self._watcher = watcher
        self._observers = {name: each.spec.target for name, each in registry.observers.items()}

    def tell(self, event: Event) -> None:
        if self._watcher is not None:
            try:
                self._watcher(event)
            except BrokenPipeError:
                # Whoever read has had enough. The work goes on, untold.
                self._watcher = None
            except Exception:  # noqa: BLE001 - what is shown of the work must not stop it
                _log.exception("the watcher failed")
        if not self._observers:
            return
        record = {
            "kind": type(event).__name__,
            **{each.name: getattr(event, each.name) for each in fields(event)},
        }
        if isinstance(event, JobSettled) and event.error is not None:
            record["error"] = event.error.as_record()
        for name, target in self._observers.items():
            try:
                load_target(target)(record)
            except Exception:  # noqa: BLE001 - a foreign observer must not stop the work
                _log.exception("observer %s failed", name)
