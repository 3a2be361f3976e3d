"""A supervisor in the background of this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from typing import Final, Self

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from pitchey_core.errors import StoreError, UsageError
from pitchey_core.host import Host
from pitchey_runner.library.job import Progress
from pitchey_runner.store.interface import JobState, JobStore
from pitchey_runner.supervisor import Event, JobProgress, JobSettled, Supervisor

__all__ = ["Worker"]

_POLL_SECONDS: Final = 0.02


class Worker:
    """Works while its ``with`` block runs; its end lets what runs finish, an error kills it and gives it back.

    Attributes:
        ended: Jobs that have ended here, by their state.
        progress: Of the jobs that run here, by id.
    """

    def __init__(
        self,
        store: JobStore,
        host: Host,
        *,
        types: Collection[str] | None = None,
        slots: int | None = None,
        drain: bool = False,
    ) -> None:
        if slots is not None and slots < 1:
            raise UsageError(f"slots: with {slots} nothing would ever run")
        self.ended: Counter[JobState] = Counter()
        self.progress: dict[str, Progress] = {}
        self._supervisor = Supervisor(store, host, types=types, max_slots=slots, watcher=self._watch)
        self._drain = drain
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._running: Future[None] | None = None

    def start(self) -> Self:
        """Begin, in a thread of its own with its own event loop."""
        self._portal = self._stack.enter_context(start_blocking_portal(name="pitchey-worker"))
        self._running = self._portal.start_task_soon(partial(self._supervisor.run, drain=self._drain))
        return self

    def stop(self, *, at_once: bool = False) -> None:
        """End: after what runs, or ``at_once``, which puts it in line again.

        Raises:
            StoreError: The store could not be used any more.
        """
        assert self._portal is not None
        assert self._running is not None
        with self._stack:
            try:
                self._ask(times=2 if at_once else 1)
                self._running.result()
            except KeyboardInterrupt:
                self._ask(times=2)
                self._running.result()
                raise

    def join(self) -> None:
        """Wait until it has drained."""
        assert self._running is not None
        self._running.result()

    async def joined(self) -> None:
        """The same, awaited."""
        assert self._running is not None
        while not self._running.done():  # noqa: ASYNC110 - the end of another loop
            await anyio.sleep(_POLL_SECONDS)
        self.join()

    def check(self) -> None:
        """Tell whoever waits that nobody works any more.

        Raises:
            StoreError: Why.
        """
        if self._running is None or not self._running.done() or self._running.cancelled():
            return
        error = self._running.exception()
        if error is not None:
            raise StoreError(f"the worker of this process has failed: {error}") from error

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop(at_once=kind is not None)

    def _ask(self, *, times: int) -> None:
        assert self._portal is not None
        for _ in range(times):
            self._portal.call(self._supervisor.stop)

    def _watch(self, event: Event) -> None:
        match event:
            case JobProgress():
                self.progress[event.job_id] = Progress(event.fraction, event.message)
            case JobSettled():
                self.progress.pop(event.job_id, None)
                if event.state.finished:
                    self.ended[event.state] += 1
