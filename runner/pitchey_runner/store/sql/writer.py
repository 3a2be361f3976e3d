"""Group commit: one thread per store writes, and one disk flush serves all who wait.

Operations that arrive during a flush form the next group. One that fails takes nothing else with it; nobody is answered
before the group is on disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar, cast

from pitchey_core.errors import StoreError

__all__ = ["GroupWriter", "Operation", "Session"]

C = TypeVar("C")
T = TypeVar("T")

_MAX_GROUP = 512
_PATIENCE_SECONDS = 60.0
_GOODBYE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Operation(Generic[C]):
    """What somebody waits for; ``quiet``: nobody else does."""

    run: Callable[[C], Any]
    answer: Future[Any]
    quiet: bool = False

    def refuse(self, error: Exception) -> None:
        """Answer with an error, unless there is an answer already."""
        # Whoever is answered already, or no longer waits, stays so.
        with suppress(InvalidStateError):
            self.answer.set_exception(error)


class Session(Protocol[C]):
    """The writer thread's connection; opened on first use and again after a failure."""

    def lock(self) -> AbstractContextManager[None]:
        """Wait for this writer's turn among those of other processes."""

    def commit(self, group: list[Operation[C]], /) -> None:
        """Run a group in one transaction, then answer it.

        An error that it raises is the answer to all who have none.
        """

    def close(self) -> None:
        """Roll back what is open and let go of everything. Safe to call twice."""


class GroupWriter(Generic[C]):
    """The one writer of a store in this process. Its thread starts with the first write. Thread-safe.

    Args:
        place: How messages name the store.
        session: Makes the session, in the writer's thread.
        translated: A block whose errors become :class:`StoreError`.
        remedy: How to find out who keeps the writers waiting.
    """

    def __init__(
        self,
        place: object,
        session: Callable[[], Session[C]],
        translated: Callable[[], AbstractContextManager[None]],
        remedy: str,
    ) -> None:
        self._place = place
        self._session = session
        self._translated = translated
        self._remedy = remedy
        self._waiting: SimpleQueue[Operation[C] | None] = SimpleQueue()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._writing = 0

    def write(self, operation: Callable[[C], T], *, quiet: bool = False) -> T:
        """Run ``operation`` inside a transaction of the writer thread; durable when this returns.

        Raises:
            StoreError: The store is closed or broken, or its lock was not to be had; nothing was written.
            OutOfSpace: The disk is full; nothing was written.
        """
        answer: Future[Any] = Future()
        with self._guard:
            if self._closed:
                raise StoreError(f"{self._place}: the store is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="pitchey-store-writer", daemon=True)
                self._thread.start()
            self._waiting.put(Operation(operation, answer, quiet))
            self._writing += 1
        try:
            with self._translated():
                return cast("T", self._wait(answer))
        finally:
            with self._guard:
                self._writing -= 1

    def close(self) -> None:
        """Write what is waiting and end the thread. Safe to call twice.

        Where nobody waits for an answer any more the thread may still wait for the lock, on nobody's behalf, and for
        ever if a stopped process holds it. Then it is left behind: it writes nothing, and ends with the lock's holder
        or with this process.
        """
        with self._guard:
            self._closed = True
            thread, self._thread = self._thread, None
            patience = _PATIENCE_SECONDS if self._writing else _GOODBYE_SECONDS
            if thread is not None:
                self._waiting.put(None)
        if thread is not None:
            thread.join(patience)

    def _wait(self, answer: Future[Any]) -> Any:
        try:
            return answer.result(_PATIENCE_SECONDS)
        except TimeoutError:
            if not answer.cancel():
                return answer.result()
        raise StoreError(
            f"{self._place}: another process has held the store's write lock for {_PATIENCE_SECONDS:.0f} s",
            remedy=self._remedy,
        )

    def _work(self) -> None:
        session = self._session()
        try:
            while (first := self._waiting.get()) is not None:
                group = [first]
                try:
                    with session.lock():
                        self._join(group)
                        group = [each for each in group if each.answer.set_running_or_notify_cancel()]
                        session.commit(group)
                except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must be told
                    session.close()
                    for operation in group:
                        operation.refuse(error)
        finally:
            session.close()

    def _join(self, group: list[Operation[C]]) -> None:
        """Add what waits by now."""
        while len(group) < _MAX_GROUP:
            try:
                operation = self._waiting.get_nowait()
            except Empty:
                return
            if operation is None:
                # Nothing comes after the end: the loop finds it again once this group is answered.
                self._waiting.put(None)
                return
            group.append(operation)
