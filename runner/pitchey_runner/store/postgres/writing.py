"""The session of the group writer: one transaction for a group, begun again where that is safe.

A transaction changes nothing before its commit, so up to there it can be run again on another connection. Where the
connection is lost during the commit nobody knows whether it happened; the number of the transaction, which it asked for
at its beginning, tells the next connection.
"""

from __future__ import annotations

import random
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Any

import psycopg

from pitchey_core.errors import StoreError
from pitchey_runner.store.postgres.connection import PostgresConnection, connect
from pitchey_runner.store.postgres.failures import is_gone, is_passing, translated
from pitchey_runner.store.postgres.location import Location
from pitchey_runner.store.sql.writer import GroupWriter, Operation

__all__ = ["CLOCK", "PATIENCE_SECONDS", "WritingConnection", "group_writer"]

PATIENCE_SECONDS = 20.0
"""How long a server may be away before its callers are told."""

CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""Microseconds since 1970 UTC, by the server's clock."""

_TRIES = 5
_BEGIN = f"BEGIN; SELECT {CLOCK}, pg_current_xact_id()::text"


class WritingConnection(PostgresConnection):
    """A connection in a transaction that began at ``now`` (microseconds since 1970 UTC)."""

    now: int = 0


def group_writer(location: Location) -> GroupWriter[WritingConnection]:
    """The writer of the store in a database."""
    remedy = "see who holds locks: SELECT * FROM pg_stat_activity WHERE state <> 'idle'"
    return GroupWriter(
        location.place, partial(_Session, location), partial(translated, location.place), remedy
    )


class _Session:
    def __init__(self, location: Location) -> None:
        self._location = location
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
        end = time.monotonic() + PATIENCE_SECONDS
        tries = 0
        while True:
            tries += 1
            try:
                return self._transact(group)
            except Exception as error:
                if is_passing(error) and tries < _TRIES:
                    time.sleep(random.uniform(0, 0.01) * tries)  # noqa: S311 - jitter, not a secret
                elif is_gone(error) and time.monotonic() < end:
                    self.close()
                    time.sleep(min(0.02 * 2**tries, 0.5))
                else:
                    raise

    def _transact(self, group: list[Operation[WritingConnection]]) -> list[Any]:
        self._connection = connection = self._connection or WritingConnection(connect(self._location))
        begun = connection.raw.execute(_BEGIN, prepare=False)
        begun.nextset()
        connection.now, number = begun.fetchone() or (0, "")
        try:
            results = [operation.run(connection) for operation in group]
        except BaseException:
            self._roll_back(connection)
            raise
        try:
            connection.raw.execute("COMMIT", prepare=False)
        except psycopg.Error as error:
            self._roll_back(connection)
            if not (is_gone(error) and self._has_committed(number)):
                raise
        return results

    def _roll_back(self, connection: WritingConnection) -> None:
        try:
            connection.raw.execute("ROLLBACK", prepare=False)
        except psycopg.Error:
            self.close()

    def _has_committed(self, number: str) -> bool:
        """Whether a transaction was committed whose commit was not answered.

        Raises:
            _Unknown: The server cannot be asked, or does not remember.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            state: Any = "unreachable"
            with suppress(psycopg.Error), connect(self._location) as raw:
                row = raw.execute("SELECT pg_xact_status(%s::xid8)", (number,)).fetchone()
                state = None if row is None else row[0]
            if state in {"committed", "aborted"}:
                return bool(state == "committed")
            if state is None or time.monotonic() > end:
                raise _Unknown(
                    f"{self._location.place}: the connection was lost during a commit, and the server does not say"
                    f" whether transaction {number} was committed ({state})",
                    remedy="look whether the change is there before you repeat it",
                )
            time.sleep(0.05)


class _Unknown(StoreError):
    """Nobody knows whether a transaction was committed."""
