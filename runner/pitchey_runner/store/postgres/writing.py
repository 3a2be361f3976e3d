"""The session of the group writer: one transaction for a group, begun again where that is safe.

A transaction changes nothing before its commit, so up to there it can be run again on another connection. Where the
connection is lost during the commit, the next connection looks for the events that the transaction has written: every
change of a job writes one. What writes none (heartbeats, manifests, workers) may be done twice.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Any

import psycopg

from pitchey_core.errors import StoreError
from pitchey_runner.store.postgres.connection import PostgresConnection, connect
from pitchey_runner.store.postgres.copying import MANY, copy
from pitchey_runner.store.postgres.event_horizon import ANNOUNCE
from pitchey_runner.store.postgres.failures import is_gone, is_passing, translated
from pitchey_runner.store.postgres.location import Location
from pitchey_runner.store.postgres.watchdog import answering
from pitchey_runner.store.sql.connection import Columns
from pitchey_runner.store.sql.writer import GroupWriter, Operation

__all__ = ["CLOCK", "PATIENCE_SECONDS", "WritingConnection", "group_writer"]

PATIENCE_SECONDS = 20.0
"""How long a server may be away before its callers are told."""

CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""Microseconds since 1970 UTC, by the server's clock."""

_TRIES = 5
_FIRST_EVENT = "(SELECT last_value FROM job_event_seq_seq)"
_NUMBER = "(pg_current_xact_id()::text::numeric % 4294967296)::bigint"
_BEGIN = f"BEGIN; SELECT {CLOCK}, {_NUMBER}, {_FIRST_EVENT}, {ANNOUNCE}"
# Who has not ended holds a lock on the number of its transaction.
_IN_PROGRESS = """
SELECT FROM pg_locks WHERE locktype = 'transactionid' AND transactionid = %s::text::xid AND granted
"""
# After a crash the server may give a number again whose transaction was never committed; the time will be another.
_EVENT_OF = "SELECT FROM job_event WHERE seq >= %s AND at = %s AND xmin = %s::text::xid LIMIT 1"


class WritingConnection(PostgresConnection):
    """A connection in a transaction.

    Attributes:
        now: When it began, in microseconds since 1970 UTC.
        number: The server's number for it.
        first_event: No event that it writes has a lower number.
    """

    now: int = 0
    number: int = 0
    first_event: int = 0

    def insert(self, statement: str, columns: Columns, /) -> None:
        if len(next(iter(columns.values()))) < MANY:
            super().insert(statement, columns)
        else:
            self.answered()
            copy(self.raw, statement, columns)

    def begin(self, clock: Callable[[], int] | None) -> None:
        """Begin a transaction, at the server's time or another clock's."""
        begun = self.raw.execute(_BEGIN, prepare=False)
        begun.nextset()
        self.now, self.number, self.first_event, _ = begun.fetchone() or (0, 0, 0, None)
        if clock is not None:
            self.now = clock()


def group_writer(location: Location, clock: Callable[[], int] | None) -> GroupWriter[WritingConnection]:
    """The writer of the store in a database, by the server's clock or another one."""
    remedy = "see who holds locks: SELECT * FROM pg_stat_activity WHERE state <> 'idle'"
    session = partial(_Session, location, clock)
    return GroupWriter(location.place, session, partial(translated, location.place), remedy)


class _Session:
    def __init__(self, location: Location, clock: Callable[[], int] | None) -> None:
        self._location = location
        self._clock = clock
        self._connection: WritingConnection | None = None

    def lock(self) -> AbstractContextManager[None]:
        return nullcontext()

    def commit(self, group: list[Operation[WritingConnection]]) -> None:
        """Run a group in one transaction, then answer it.

        Raises:
            psycopg.Error: The server is away for too long.
            StoreError: It is not known whether the group was committed.
        """
        if not group:
            return
        try:
            results = self._persistently(group)
        except Exception as error:
            if len(group) == 1 or is_gone(error) or isinstance(error, _Unknown):
                raise
            # One of them fails: alone, each gets its own answer.
            for operation in group:
                try:
                    self.commit([operation])
                except Exception as own:  # noqa: BLE001 - whatever it is, who waits must be told
                    operation.refuse(own)
            return
        for operation, result in zip(group, results, strict=True):
            operation.answer.set_result(result)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.raw.close()

    def _persistently(self, group: list[Operation[WritingConnection]]) -> list[Any]:
        end: float | None = None
        tries = 0
        while True:
            tries += 1
            try:
                return self._transact(group)
            except Exception as error:
                if is_passing(error) and tries < _TRIES:
                    time.sleep(random.uniform(0, 0.01) * tries)  # noqa: S311 - jitter, not a secret
                elif is_gone(error) and (end is None or time.monotonic() < end):
                    # From when it is known to be away: to find that out may take longer than our patience.
                    end = end or time.monotonic() + PATIENCE_SECONDS
                    self.close()
                    time.sleep(min(0.02 * 2**tries, 0.5))
                else:
                    raise

    def _transact(self, group: list[Operation[WritingConnection]]) -> list[Any]:
        self._connection = connection = self._connection or WritingConnection(connect(self._location))
        try:
            with answering(connection.raw):
                connection.begin(self._clock)
                results = [operation.run(connection) for operation in group]
        except BaseException:
            self._roll_back(connection)
            raise
        try:
            with answering(connection.raw):
                connection.raw.execute("COMMIT", prepare=False)
        except psycopg.Error as error:
            self._roll_back(connection)
            if not (is_gone(error) and self._has_committed(connection)):
                raise
        return results

    def _roll_back(self, connection: WritingConnection) -> None:
        with suppress(psycopg.Error):
            connection.answered()
        try:
            with answering(connection.raw):
                connection.raw.execute("ROLLBACK", prepare=False)
        except psycopg.Error:
            self.close()

    def _has_committed(self, lost: WritingConnection) -> bool:
        """Whether a transaction was committed whose commit was not answered.

        Raises:
            _Unknown: The server cannot be asked, or is still at it.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            with suppress(psycopg.Error), connect(self._location) as raw, answering(raw):
                if raw.execute(_IN_PROGRESS, (lost.number,)).fetchone() is None:
                    seen = raw.execute(_EVENT_OF, (lost.first_event, lost.now, lost.number)).fetchone()
                    return seen is not None
            if time.monotonic() > end:
                raise _Unknown(
                    f"{self._location.place}: the connection was lost during a commit, and the server does not say"
                    f" whether transaction {lost.number} was committed",
                    remedy="look whether the change is there before you repeat it",
                )
            time.sleep(0.05)


class _Unknown(StoreError):
    """Nobody knows whether a transaction was committed."""
