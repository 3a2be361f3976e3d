"""The observers that plugins register: told in threads of their own, so a slow or broken one stops no work."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from pitchey_core.errors import OutOfSpace, PitcheyError, StoreError
from pitchey_core.hooks import load_target
from pitchey_core.pricing import Usage
from pitchey_runner.store.interface import BudgetEvent, JobEvent, JobStore

__all__ = ["Observers"]

_log = logging.getLogger(__name__)
_MOST_WAITING: Final = 10_000
_FOLLOW_SECONDS: Final = 0.5
_GOODBYE_SECONDS: Final = 5.0


class Observers:
    """Tells each observer everything in order; one that falls far behind misses the latest, and that is logged.

    Args:
        targets: ``"package.module:name"`` by name.
    """

    def __init__(self, targets: Mapping[str, str], store: JobStore) -> None:
        self._store = store
        self._all = [_Observer(name, target) for name, target in targets.items()]
        self._closing = threading.Event()
        self._follower: threading.Thread | None = None
        self._budgets_seen = 0

    def open(self) -> None:
        """Follow the store from here on, too: jobs are submitted, cancelled and retried by others."""
        try:
            seen = self._store.last_event()
            for _ in self._budget_events():
                pass  # What was reached before is nothing new.
        except (StoreError, OutOfSpace) as error:
            _log.warning("the observers are not told what others do with jobs: %s", error)
            return
        self._follower = threading.Thread(
            target=self._follow, args=(seen,), name="pitchey-observers", daemon=True
        )
        self._follower.start()

    def tell(self, event: object) -> None:
        """Never blocks."""
        record = _record(event)
        for each in self._all:
            each.tell(record)

    def close(self) -> None:
        """Wait until all is told, for a few seconds."""
        end = time.monotonic() + _GOODBYE_SECONDS
        self._closing.set()
        if self._follower is not None:
            self._follower.join(_GOODBYE_SECONDS)
        for each in self._all:
            each.close(end)

    def _budget_events(self) -> Iterator[BudgetEvent]:
        while events := self._store.budget_events(after=self._budgets_seen):
            self._budgets_seen = events[-1].seq
            yield from events

    def _follow(self, seen: int) -> None:
        while True:
            last = self._closing.is_set()
            try:
                while events := self._store.events(after=seen):
                    seen = events[-1].seq
                    for record in _changes(events):
                        for each in self._all:
                            each.tell(record)
                for reached in self._budget_events():
                    self.tell(reached)
            except (StoreError, OutOfSpace) as error:
                _log.debug("the store's events cannot be read now: %s", error)
            if last:
                return
            self._closing.wait(_FOLLOW_SECONDS)


class _Observer:
    def __init__(self, name: str, target: str) -> None:
        self._name = name
        self._target = target
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(_MOST_WAITING)
        self._missed = 0
        self._thread: threading.Thread | None = None

    def tell(self, record: dict[str, Any]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name=f"pitchey-observer-{self._name}", daemon=True
            )
            self._thread.start()
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            if not self._missed:
                _log.warning("observer %s is too slow: it misses events", self._name)
            self._missed += 1

    def close(self, end: float) -> None:
        if self._thread is None:
            return
        try:
            self._waiting.put(None, timeout=max(0.0, end - time.monotonic()))
        except queue.Full:
            self._missed += self._waiting.qsize()
        self._thread.join(max(0.0, end - time.monotonic()))
        if self._thread.is_alive():
            self._missed = max(self._missed, 1)
        if self._missed:
            _log.warning("observer %s has missed %d events or more", self._name, self._missed)

    def _work(self) -> None:
        while (record := self._waiting.get()) is not None:
            try:
                # A copy: one observer's changes are not for the others to see.
                load_target(self._target)(dict(record))
            except (Exception, SystemExit):  # noqa: BLE001 - a foreign observer must not stop anything
                _log.exception("observer %s failed", self._name)


def _record(event: object) -> dict[str, Any]:
    values = {each.name: _json(getattr(event, each.name)) for each in fields(event)}  # type: ignore[arg-type]
    return {"kind": type(event).__name__, **values}


def _json(value: Any) -> Any:
    match value:
        case PitcheyError() | Usage():
            return value.as_record()
        case datetime():
            return value.isoformat()
        case _:
            return value


def _changes(events: list[JobEvent]) -> Iterator[dict[str, Any]]:
    for event in events:
        if not _told_by_its_worker(event):
            yield {
                "kind": "JobChanged",
                "seq": event.seq,
                "job_id": event.job_id,
                "change": event.kind,
                "state": event.state,
                "at": event.at.isoformat(),
                "data": event.data,
            }


def _told_by_its_worker(event: JobEvent) -> bool:
    """Starts and ends of attempts are told in more detail by the supervisor that sees them; lost ones by nobody."""
    return event.kind == "claimed" or (event.kind != "lost" and "outcome" in (event.data or {}))
