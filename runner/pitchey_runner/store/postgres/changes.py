"""Word of changes: ``NOTIFY`` at most once in a while, and a thread that listens.

Both are hints. A supervisor also looks by itself from time to time, so one that is lost costs a moment and no job.
"""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import suppress
from threading import Condition, Event, Lock, Thread

import psycopg

from pitchey_core.errors import StoreError
from pitchey_runner.store.postgres.connection import connect
from pitchey_runner.store.postgres.failures import translated
from pitchey_runner.store.postgres.location import Location
from pitchey_runner.store.postgres.reading import ReaderPool
from pitchey_runner.store.postgres.watchdog import answering

__all__ = ["CHANNEL", "Listener", "Notifier"]

CHANNEL = "pitchey_store"
# A word that is lost with the server's power costs nothing: it need not wait for the disk.
_TELL = f"SELECT set_config('synchronous_commit', 'off', true), pg_notify('{CHANNEL}', '')"
_DEBOUNCE_SECONDS = 0.01
_PROBE_SECONDS = 15.0
_RETRY_SECONDS = 0.5


class Notifier:
    """Tells listeners that something has changed: the first change at once, then at most one word per 10 ms.

    A commit that notifies takes a lock that all such commits share, so it is no part of the change's own transaction.
    """

    def __init__(self, readers: ReaderPool) -> None:
        self._readers = readers
        self._changed = Event()
        self._guard = Lock()
        self._thread: Thread | None = None
        self._closed = False

    def tell(self) -> None:
        """Something has been committed."""
        with self._guard:
            if self._thread is None and not self._closed:
                self._thread = Thread(target=self._work, name="pitchey-store-notifier", daemon=True)
                self._thread.start()
        self._changed.set()

    def close(self) -> None:
        """Send what is due, and end. Safe to call twice."""
        with self._guard:
            self._closed = True
            thread, self._thread = self._thread, None
        self._changed.set()
        if thread is not None:
            thread.join(2)

    def _work(self) -> None:
        while True:
            self._changed.wait()
            self._changed.clear()
            with suppress(StoreError):
                self._readers.read(lambda connection: connection.raw.execute(_TELL))
            if self._closed and not self._changed.is_set():
                return
            time.sleep(_DEBOUNCE_SECONDS)


class Listener:
    """Counts the notifications that arrive; also each new connection, before which some may have been missed.

    Its thread and its connection are made when somebody first asks. Thread-safe.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self._news = Condition()
        self._count = 0
        self._thread: Thread | None = None
        self._closed = False
        self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def count(self) -> int:
        """How much has changed; a change that is committed after this returns will be counted.

        Raises:
            StoreError: The store is closed, or the server cannot be reached now.
        """
        with self._news:
            if self._closed:
                raise StoreError(f"{self._location.place}: the store is closed")
            if self._thread is None:
                with translated(self._location.place):
                    raw = self._listen()
                self._thread = Thread(
                    target=self._work, args=(raw,), name="pitchey-store-listener", daemon=True
                )
                self._thread.start()
            return self._count

    def wait(self, seen: int, timeout: float) -> int:
        """Wait until the count differs from ``seen``, for ``timeout`` seconds at most; what it is then.

        Raises:
            StoreError: See :meth:`count`.
        """
        self.count()
        with self._news:
            self._news.wait_for(lambda: self._closed or self._count != seen, timeout)
            return self._count

    def close(self) -> None:
        """End the thread. Safe to call twice."""
        with self._news:
            if self._closed:
                return
            self._closed = True
            thread = self._thread
            self._news.notify_all()
        os.eventfd_write(self._stop, 1)
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        os.close(self._stop)

    def _listen(self) -> psycopg.Connection[object]:
        raw = connect(self._location)
        try:
            with answering(raw):
                raw.execute(f"LISTEN {CHANNEL}")
        except BaseException:
            raw.close()
            raise
        return raw

    def _work(self, raw: psycopg.Connection[object]) -> None:
        while not self._closed:
            try:
                with raw:
                    self._hear(raw)
            except (psycopg.Error, OSError):
                pass
            while not self._closed:
                try:
                    raw = self._listen()
                except psycopg.Error:
                    select.select([self._stop], [], [], _RETRY_SECONDS)
                else:
                    self._bump()
                    break
        raw.close()

    def _hear(self, raw: psycopg.Connection[object]) -> None:
        while not self._closed:
            ready, _, _ = select.select([raw.fileno(), self._stop], [], [], _PROBE_SECONDS)
            if not ready:
                # A peer that has vanished is only noticed by who sends.
                with answering(raw):
                    raw.execute("SELECT 1")
            raw.pgconn.consume_input()
            heard = False
            while raw.pgconn.notifies() is not None:
                heard = True
            if heard:
                self._bump()

    def _bump(self) -> None:
        with self._news:
            self._count += 1
            self._news.notify_all()
