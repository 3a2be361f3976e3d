"""The store in a Postgres database. Writes go through the group writer, reads through the pool."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pitchey_core.errors import StoreError
from pitchey_core.pricing import PriceBook
from pitchey_runner.store.postgres.changes import Listener, Notifier
from pitchey_runner.store.postgres.event_horizon import settled_event
from pitchey_runner.store.postgres.location import Location
from pitchey_runner.store.postgres.reading import ReaderPool
from pitchey_runner.store.postgres.writing import CLOCK, WritingConnection, group_writer
from pitchey_runner.store.records import JobEvent
from pitchey_runner.store.sql import producing, queueing, rescuing, scheduling, working
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.statements import LAST_EVENT
from pitchey_runner.store.sql.store import QUIET, SqlStore

__all__ = ["PostgresStore"]

T = TypeVar("T")

# What can be done a moment later just as well: it must not stand in others' way.
_MAINTENANCE = frozenset(
    {producing.purge, queueing.purge_old, rescuing.rescue, scheduling.fire_schedules, working.promote_due}
)
_BRIEFLY = "SELECT set_config('statement_timeout', '5s', true), set_config('lock_timeout', '1s', true)"
_AS_BEFORE = "SET LOCAL statement_timeout TO DEFAULT; SET LOCAL lock_timeout TO DEFAULT"
_LAST_SETTLED_EVENT = LAST_EVENT + " WHERE seq <= :settled"


class PostgresStore(SqlStore):
    """A job store in a database whose schema is current (see :func:`~.schema.ensure_current`).

    Args:
        url: As it was given.
        location: What it names.
        prices: What lost attempts cost.
        clock: Microseconds since 1970 UTC; default: the server's clock, which all hosts share.
    """

    def __init__(
        self, url: str, location: Location, *, prices: PriceBook, clock: Callable[[], int] | None = None
    ) -> None:
        super().__init__(prices=prices)
        self.url = url
        self._location = location
        self._time = clock
        self._pid = os.getpid()
        self._writer = group_writer(location, clock)
        self._readers = ReaderPool(location)
        self._notifier = Notifier(self._readers)
        self._listener = Listener(location)

    def close(self) -> None:
        if os.getpid() != self._pid:
            return
        self._writer.close()
        self._notifier.close()
        self._listener.close()
        self._readers.close()

    def change_counter(self) -> int:
        self._refuse_fork()
        return self._listener.count()

    def wait_for_change(self, seen: int, timeout: float) -> int:
        self._refuse_fork()
        return self._listener.wait(seen, timeout)

    def events(self, *, job_id: str | None = None, after: int = 0, limit: int = 1000) -> list[JobEvent]:
        if job_id is not None:
            return super().events(job_id=job_id, after=after, limit=limit)
        last = self._look(settled_event)
        return [event for event in super().events(after=after, limit=limit) if event.seq <= last]

    def last_event(self) -> int:
        settled = {"settled": self._look(settled_event)}
        return int(self._read(_LAST_SETTLED_EVENT, settled)[0]["seq"])

    def _clock(self) -> int:
        if self._time is not None:
            return self._time()
        return int(self._read(f"SELECT {CLOCK} AS now")[0]["now"])

    def _read_now(self, statement: str, named: dict[str, Any] | None = None) -> Sequence[Any]:
        if self._time is not None:
            return super()._read_now(statement, named)
        # Saves the question for the time. As a subselect it is worked out once, and indexes serve.
        return self._read(statement.replace(":now", f"(SELECT {CLOCK})"), named)

    def _write(self, operation: Callable[..., T], *arguments: Any) -> T:
        self._refuse_fork()

        def run(connection: WritingConnection) -> T:
            if operation in _MAINTENANCE:
                connection.raw.execute(_BRIEFLY)
            answer = operation(connection, connection.now, *arguments)
            connection.answered()
            if operation in _MAINTENANCE:
                connection.raw.execute(_AS_BEFORE, prepare=False)
            return answer

        answer = self._writer.write(run)
        if operation not in QUIET:
            self._notifier.tell()
        return answer

    def _look(self, query: Callable[[SqlConnection], T]) -> T:
        self._refuse_fork()
        return self._readers.read(query)

    def _refuse_fork(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError(
                f"{self._location.place}: this store was opened before a fork; connections do not survive one",
                remedy="call open_store() again in the child process",
            )
