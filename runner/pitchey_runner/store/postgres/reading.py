"""Connections for reading, one per reader at the same time, kept for the next one."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import TypeVar

import psycopg

from pitchey_core.errors import StoreError
from pitchey_runner.store.postgres.connection import PostgresConnection, connect
from pitchey_runner.store.postgres.failures import is_gone, translated
from pitchey_runner.store.postgres.location import Location
from pitchey_runner.store.postgres.watchdog import answering
from pitchey_runner.store.postgres.writing import PATIENCE_SECONDS

__all__ = ["ReaderPool"]

T = TypeVar("T")


class ReaderPool:
    """Autocommitted statements on borrowed connections; made again where the server has dropped them. Thread-safe."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._idle: list[PostgresConnection] = []
        self._guard = Lock()
        self._closed = False

    def read(self, query: Callable[[PostgresConnection], T]) -> T:
        """Run ``query``, which may be called again if the connection is lost.

        Raises:
            StoreError: The pool is closed, or the server cannot be used.
        """
        end: float | None = None
        pause = 0.02
        while True:
            with translated(self._location.place):
                try:
                    return self._try(query)
                except psycopg.Error as error:
                    if not is_gone(error) or (end is not None and time.monotonic() > end):
                        raise
                    # From when it is known to be away, see :mod:`.writing`.
                    end = end or time.monotonic() + PATIENCE_SECONDS
                    # The others are hardly better, and each might take as long to say so.
                    self._forget_idle()
            time.sleep(pause)
            pause = min(2 * pause, 0.5)

    def close(self) -> None:
        """Close the idle connections now and the others when they come back."""
        with self._guard:
            self._closed = True
        self._forget_idle()

    def _forget_idle(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.raw.close()

    def _try(self, query: Callable[[PostgresConnection], T]) -> T:
        connection = self._take()
        try:
            with answering(connection.raw):
                answer = query(connection)
        except BaseException:
            with suppress(psycopg.Error):
                connection.raw.close()
            raise
        with self._guard:
            if not self._closed:
                self._idle.append(connection)
                return answer
        connection.raw.close()
        return answer

    def _take(self) -> PostgresConnection:
        with self._guard:
            if self._closed:
                raise StoreError(f"{self._location.place}: the store is closed")
            if self._idle:
                return self._idle.pop()
        return PostgresConnection(connect(self._location))
