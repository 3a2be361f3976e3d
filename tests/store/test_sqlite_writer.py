"""The group writer: one flush for many, one failure for one, and what is said when nothing can be written."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pitchey_core.errors import OutOfSpace, StoreError
from pitchey_core.pricing import PriceBook
from pitchey_runner.store.records import JobState
from pitchey_runner.store.sql import writer as group
from pitchey_runner.store.sqlite import connection, writer
from pitchey_runner.store.sqlite.store import SqliteStore
from pitchey_runner.testing.store_samples import job


@pytest.fixture
def store(empty_store: Path) -> Iterator[SqliteStore]:
    with SqliteStore(empty_store, prices=PriceBook()) as store:
        yield store


@pytest.fixture
def held_lock(empty_store: Path) -> Iterator[int]:
    """The writers' lock, in other hands."""
    fd = os.open(f"{empty_store}.writers", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    yield fd
    os.close(fd)


def test_those_who_wait_share_one_commit(
    store: SqliteStore, held_lock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    commit = writer._Session.commit

    def counted(session: writer._Session, group: list[Any]) -> None:
        groups.append(len(group))
        commit(session, group)

    monkeypatch.setattr(writer._Session, "commit", counted)
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(store.enqueue, [job()]) for _ in range(20)]
        _wait_until(lambda: store._writer._waiting.qsize() == 19)
        fcntl.flock(held_lock, fcntl.LOCK_UN)
        assert all(answer.result() for answer in answers)
    assert groups == [20]
    assert store.counts() == {JobState.PENDING: 20}


def test_one_failure_takes_nothing_else_with_it(store: SqliteStore, held_lock: int) -> None:
    known = job()
    with ThreadPoolExecutor(3) as pool:
        good = pool.submit(store.enqueue, [known])
        _wait_until(lambda: store._writer._thread is not None)
        time.sleep(0.05)
        bad = pool.submit(store.enqueue, [job(), known])
        _wait_until(lambda: store._writer._waiting.qsize() == 1)
        also_good = pool.submit(store.enqueue, [job()])
        _wait_until(lambda: store._writer._waiting.qsize() == 2)
        fcntl.flock(held_lock, fcntl.LOCK_UN)
        assert good.result() == [known.id]
        with pytest.raises(StoreError, match="UNIQUE"):
            bad.result()
        assert len(also_good.result()) == 1
    assert store.counts() == {JobState.PENDING: 2}


def test_a_lock_that_is_never_released_is_an_error_and_nothing_is_written(
    store: SqliteStore, held_lock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "_PATIENCE_SECONDS", 0.1)
    with pytest.raises(StoreError, match="write lock") as caught:
        store.enqueue([job()])
    assert "fuser" in (caught.value.remedy or "")
    fcntl.flock(held_lock, fcntl.LOCK_UN)
    monkeypatch.setattr(group, "_PATIENCE_SECONDS", 60)
    store.enqueue([job()])
    assert store.counts() == {JobState.PENDING: 1}


def test_closing_does_not_wait_for_a_lock_that_nobody_needs_any_more(
    empty_store: Path, held_lock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "_PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(group, "_GOODBYE_SECONDS", 0.1)
    with SqliteStore(empty_store, prices=PriceBook()) as store:
        with pytest.raises(StoreError, match="write lock"):
            store.enqueue([job()])
        thread = store._writer._thread
    assert thread is not None
    assert thread.is_alive()
    fcntl.flock(held_lock, fcntl.LOCK_UN)
    thread.join(10)
    assert not thread.is_alive()
    with SqliteStore(empty_store, prices=PriceBook()) as store:
        assert store.list() == []


def test_closing_waits_for_those_who_still_wait(empty_store: Path, held_lock: int) -> None:
    store = SqliteStore(empty_store, prices=PriceBook())
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(store.enqueue, [job()])
        _wait_until(lambda: store._writer._writing == 1)
        closing_store = pool.submit(store.close)
        _wait_until(lambda: store._writer._closed)
        assert not closing_store.done()
        fcntl.flock(held_lock, fcntl.LOCK_UN)
        assert len(waiting.result()) == 1
        closing_store.result()


def test_a_writer_without_manners_is_waited_for(store: SqliteStore, empty_store: Path) -> None:
    with closing(sqlite3.connect(empty_store, isolation_level=None)) as rude, ThreadPoolExecutor(1) as pool:
        rude.execute("BEGIN IMMEDIATE")
        waiting = pool.submit(store.enqueue, [job()])
        time.sleep(0.2)
        assert not waiting.done()
        assert store.list() == []
        rude.execute("COMMIT")
        assert len(waiting.result()) == 1


def test_a_writer_that_never_ends_is_reported(
    store: SqliteStore, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_BUSY_SECONDS", 0.01)
    with closing(sqlite3.connect(empty_store, isolation_level=None)) as rude:
        rude.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="held the store's lock") as caught:
            store.enqueue([job()])
        assert "fuser" in (caught.value.remedy or "")
        rude.execute("ROLLBACK")
    assert len(store.enqueue([job()])) == 1


def test_a_full_disk_loses_nothing_and_is_over_when_there_is_room(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.enqueue([job()])
    pages = store._writer.write(lambda sql: sql.execute("PRAGMA page_count").fetchone()[0])
    store._writer.write(lambda sql: sql.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    with pytest.raises(OutOfSpace, match="full") as caught:
        store.enqueue([job(payload={"text": "x" * 100_000})])
    assert "df -h" in (caught.value.remedy or "")
    assert store.counts() == {JobState.PENDING: 1}
    assert len(store.enqueue([job(payload={"text": "x" * 100_000})])) == 1


def test_values_that_no_database_holds(store: SqliteStore) -> None:
    with pytest.raises(StoreError, match="cannot be stored"):
        store.get("\udc80")
    with pytest.raises(StoreError, match="cannot be stored"):
        store.enqueue([job(id="\udc80")])
    with pytest.raises(StoreError, match="cannot be stored"):
        store.enqueue([job(max_attempts=1 << 70)])
    assert store.list() == []


def test_a_closed_store_says_so(store: SqliteStore) -> None:
    store.enqueue([job()])
    store.close()
    for use in (lambda: store.enqueue([job()]), store.list, store.change_counter):
        with pytest.raises(StoreError, match="closed"):
            use()


def test_closing_writes_what_was_accepted_and_leaves_no_thread(empty_store: Path) -> None:
    before = threading.active_count()
    with SqliteStore(empty_store, prices=PriceBook()) as store, ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(store.enqueue, [job()]) for _ in range(50)]
        assert all(answer.result() for answer in answers)
    assert threading.active_count() == before
    assert sorted(each.name for each in empty_store.parent.iterdir()) == [
        "jobs.db",
        "jobs.db.turn",
        "jobs.db.writers",
    ]


def test_reading_starts_no_thread(empty_store: Path) -> None:
    before = threading.active_count()
    with SqliteStore(empty_store, prices=PriceBook()) as store:
        store.list()
        assert store.promote_due() == 0
        assert threading.active_count() == before


def test_readers_are_not_stopped_by_a_writer(store: SqliteStore, empty_store: Path) -> None:
    store.enqueue([job()])
    with closing(sqlite3.connect(empty_store, isolation_level=None)) as rude:
        rude.execute("BEGIN IMMEDIATE")
        rude.execute("DELETE FROM job")
        begin = time.monotonic()
        assert store.counts() == {JobState.PENDING: 1}
        assert time.monotonic() - begin < 1
        rude.execute("ROLLBACK")


def test_a_forked_child_must_open_the_store_itself(empty_store: Path) -> None:
    program = """
import os, sys
from pitchey_core.errors import StoreError
from pitchey_runner.store import open_store
from pitchey_runner.testing.store_samples import job

with open_store(sys.argv[1]) as store:
    store.enqueue([job()])
    child = os.fork()
    if child == 0:
        for use in (store.list, store.change_counter, lambda: store.enqueue([job()])):
            try:
                use()
            except StoreError as error:
                assert "fork" in str(error)
            else:
                os._exit(1)
        store.close()
        with open_store(sys.argv[1]) as own:
            own.enqueue([job()])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    store.enqueue([job()])
    assert sum(store.counts().values()) == 3
"""
    # The warning about forking beside threads is what this is about.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, empty_store]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def _wait_until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)
