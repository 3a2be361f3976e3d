"""Postgres fails under a store: restarted, crashed, cut off in mid-commit, silent, or far behind in time."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from cutting_proxy import CuttingProxy
from postgres_server import PostgresServer

from pitchey_core.errors import StoreError
from pitchey_core.pricing import PriceBook
from pitchey_runner.store import open_store
from pitchey_runner.store.checking import check_store
from pitchey_runner.store.interface import JobStore
from pitchey_runner.store.migrations import upgrade
from pitchey_runner.store.postgres import changes, reading, watchdog, writing
from pitchey_runner.store.postgres import store as postgres_store
from pitchey_runner.store.postgres.location import locate
from pitchey_runner.store.records import JobState
from pitchey_runner.testing.store_samples import completed, job, one_claimed, worker

_PROGRAM = Path(__file__).with_name("store_process.py")


@pytest.fixture(scope="module")
def durable_server() -> Iterator[PostgresServer]:
    """A server as users run it, that may be stopped and killed."""
    with PostgresServer(durable=True) as server:
        yield server


@pytest.fixture
def durable(durable_server: PostgresServer) -> str:
    """The URL of an empty store on it."""
    durable_server.execute("DROP SCHEMA public CASCADE")
    durable_server.execute("CREATE SCHEMA public")
    url = durable_server.url(tcp=True)
    upgrade(url)
    return url


@pytest.fixture
def store(durable: str) -> Iterator[JobStore]:
    with open_store(durable) as store:
        yield store


@pytest.fixture
def proxy(durable_server: PostgresServer) -> Iterator[CuttingProxy]:
    with CuttingProxy(durable_server.port) as proxy:
        yield proxy


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_the_server_restarts_under_those_who_work(
    durable_server: PostgresServer, durable: str, how: signal.Signals, tmp_path: Path
) -> None:
    """Whatever a worker was told is so, and none of them has to be started again."""
    files = [tmp_path / f"w{number}" for number in range(3)]
    workers = [_start_worker(durable, file) for file in files]
    try:
        while not all(file.stat().st_size for file in files):
            time.sleep(0.02)
        for _ in range(4):
            time.sleep(0.8)
            durable_server.restart(how)
        errors = [process.communicate(timeout=100)[1] for process in workers]
    finally:
        for process in workers:
            process.kill()
            process.wait()
    assert errors == [""] * 3
    words = [line.split() for file in files for line in file.read_text().splitlines()]
    said: dict[str, list[str]] = {"enqueued": [], "claimed": [], "settled": [], "slowest": []}
    for kind, *ids in words:
        said[kind] += ids
    assert said["settled"]
    assert len(said["claimed"]) == len(set(said["claimed"])), "nothing is claimed twice"
    with open_store(durable) as store:
        jobs = {record.id: record.status for record in store.list(limit=10**6)}
    assert set(jobs) == set(said["enqueued"])
    assert {job_id for job_id, state in jobs.items() if state is JobState.COMPLETED} == set(said["settled"])
    assert JobState.PROCESSING not in jobs.values()
    assert check_store(durable) == []


def _start_worker(url: str, file: Path) -> subprocess.Popen[str]:
    with file.open("w") as out:
        command = [sys.executable, _PROGRAM, url, file.name, "6"]
        return subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True)


def test_a_store_outlives_its_server(durable_server: PostgresServer, store: JobStore) -> None:
    claim = one_claimed(store).claim
    counter = store.change_counter()
    durable_server.restart(signal.SIGQUIT)
    assert store.wait_for_change(counter, 20) != counter, "what happened meanwhile may have been missed"
    assert store.claimed("w1")[0].claim == claim
    durable_server.restart()
    assert store.settle([completed(claim)]) == [True]
    counter = store.wait_for_change(store.change_counter(), 0.2)
    store.enqueue([job()])
    assert store.wait_for_change(counter, 20) != counter


@pytest.mark.parametrize("verdict", ["ask", "drop"])
def test_a_commit_whose_answer_is_lost_happens_once(
    durable_server: PostgresServer, durable: str, proxy: CuttingProxy, verdict: str
) -> None:
    """Committed before the connection was lost, or not: the answer is right, and the work is done once."""
    cuts: list[bytes] = []

    def watch(data: bytes) -> str | None:
        if b"COMMIT" in data and not cuts:
            cuts.append(data)
            return verdict
        return None

    with open_store(durable_server.url(port=proxy.port)) as store:
        claim = one_claimed(store).claim
        proxy.watch = watch
        new = [job() for _ in range(3)]
        assert store.enqueue(new) == [each.id for each in new]
        cuts.clear()
        assert store.settle([completed(claim, cost_nanos=7)]) == [True]
        assert len(cuts) == 1
        assert store.counts() == {JobState.PENDING: 3, JobState.COMPLETED: 1}
        assert [event.kind for event in store.events(job_id=claim.job_id)] == [
            "enqueued",
            "claimed",
            "completed",
        ]
    assert check_store(durable) == []


def test_a_commit_that_nobody_can_tell_of_is_said_so(
    durable_server: PostgresServer, durable: str, proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PATIENCE_SECONDS", 0.3)
    away = threading.Event()

    def watch(data: bytes) -> str | None:
        if b"COMMIT" in data:
            away.set()
        return "drop" if away.is_set() else None

    with open_store(durable_server.url(port=proxy.port)) as store:
        store.enqueue([job()])
        proxy.watch = watch
        with pytest.raises(StoreError, match="does not say") as caught:
            store.enqueue([job()])
        assert "look whether" in (caught.value.remedy or "")
        proxy.watch = lambda _: None
        assert store.enqueue([job()])


def test_a_server_that_goes_silent_is_left_for_another_connection(
    durable_server: PostgresServer, durable: str, proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent is acknowledged, and never answered: a half-open connection, or a stopped server."""
    monkeypatch.setattr(watchdog, "ANSWER_SECONDS", 0.8)
    monkeypatch.setattr(changes, "_PROBE_SECONDS", 0.3)
    with open_store(durable_server.url(port=proxy.port)) as store:
        (first,) = store.enqueue([job()])
        counter = store.wait_for_change(store.change_counter(), 0.3)
        proxy.freeze()
        assert store.get(first or "") is not None, "reads go on"
        assert store.enqueue([job()]), "writes go on"
        counter = store.wait_for_change(counter, 20)
        with open_store(durable) as other:
            other.enqueue([job()])
        assert store.wait_for_change(counter, 20) != counter, "and so does the listening"
        assert store.counts() == {JobState.PENDING: 3}


def test_patience_begins_when_a_silent_connection_is_given_up(
    durable_server: PostgresServer, durable: str, proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To find out that a server is silent takes longer than our patience with one that is away."""
    monkeypatch.setattr(watchdog, "ANSWER_SECONDS", 0.8)
    for module in (writing, reading):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.2)
    with open_store(durable_server.url(port=proxy.port)) as store:
        (first,) = store.enqueue([job()])
        assert store.get(first or "") is not None
        proxy.freeze()
        assert store.get(first or "") is not None
        assert store.enqueue([job()])
        assert store.counts() == {JobState.PENDING: 2}


def test_whoever_asks_for_the_time_in_between_is_still_watched(
    durable_server: PostgresServer, durable: str, proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that needs the clock asks for it on a second connection; then the first one falls silent."""
    monkeypatch.setattr(watchdog, "ANSWER_SECONDS", 0.8)
    with open_store(durable_server.url(port=proxy.port)) as store:
        store.enqueue([job()])
        assert store.ready() == {"video": 1}
        asked: list[bytes] = []

        def watch(data: bytes) -> None:
            # Once the clock has answered nobody says anything more.
            if b"clock_timestamp" not in data and not asked:
                asked.append(data)
                proxy.freeze()

        proxy.watch = watch
        assert store.ready() == {"video": 1}
        assert len(asked) == 1


def test_one_bad_operation_takes_no_other_with_it(store: JobStore) -> None:
    """In one group with good ones: each gets its own answer."""
    taken = job()
    store.enqueue([taken])
    with ThreadPoolExecutor(12) as pool:
        answers = [
            pool.submit(store.enqueue, [job(id=taken.id) if number % 4 == 0 else job()])
            for number in range(12)
        ]
        errors = [answer.exception() for answer in answers]
    assert [error is None for error in errors] == [number % 4 != 0 for number in range(12)]
    assert all(isinstance(error, StoreError) for error in errors if error is not None)
    assert store.counts() == {JobState.PENDING: 10}


def test_texts_that_postgres_cannot_hold_are_refused(store: JobStore) -> None:
    for item in ("\0", "\ud800"):
        with pytest.raises(StoreError):
            store.enqueue([job(batch_id=item)])
    (good,) = store.enqueue([job(payload={"text": "\0 \ud800"})])
    record = store.get(good or "")
    assert record is not None
    assert record.payload == {"text": "\0 \ud800"}


def test_a_worker_whose_clock_is_wrong_holds_its_lease_all_the_same(durable: str) -> None:
    """Times come from the server: whoever asks, and whatever its own clock says."""
    program = (
        "import sys, time, datetime\n"
        "wrong = time.time_ns() + int(sys.argv[2]) * 10**9\n"
        "time.time_ns = lambda: wrong\n"
        "time.time = lambda: wrong / 1e9\n"
        "from pitchey_runner.store import open_store\n"
        "from pitchey_runner.testing.store_samples import job, worker\n"
        "with open_store(sys.argv[1]) as store:\n"
        "    store.enqueue([job()])\n"
        "    claimed, = store.claim(worker(sys.argv[3], lease_seconds=20), 'video', 1)\n"
        "    print((claimed.lease_until - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds())\n"
    )
    with open_store(durable) as store:
        for name, skew in (("early", -86_400), ("late", 86_400)):
            done = subprocess.run(
                [sys.executable, "-c", program, durable, str(skew), name], capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            assert abs(float(done.stdout) - 20 - store.now().timestamp()) < 15
        assert store.rescue(worker("other")) == []
        assert [len(store.claimed(name)) for name in ("early", "late")] == [1, 1]


def test_maintenance_gives_up_soon_where_others_are_in_its_way(store: JobStore, durable: str) -> None:
    """Purging waits for a lock for one second, not for ever; whoever works is not stopped by it."""
    finished = one_claimed(store).claim
    store.settle([completed(finished)])
    with psycopg.connect(durable) as other:
        other.execute("SELECT 1 FROM job FOR UPDATE")
        began = time.monotonic()
        with pytest.raises(StoreError, match="lock"):
            store.purge([finished.job_id])
        assert time.monotonic() - began < 30
        assert store.enqueue([job()])
    assert store.purge([finished.job_id]) == 1


def test_a_cancellation_is_not_lost_between_two_states(durable: str) -> None:
    """It is asked for while the job goes back and forth between waiting and running."""
    with open_store(durable) as one, open_store(durable) as other:
        me = worker()
        one.register_worker(me)
        for _ in range(30):
            (job_id,) = one.enqueue([job()])
            asked = threading.Thread(target=other.cancel, args=([job_id],))
            asked.start()
            while asked.is_alive():
                for claimed in one.claim(me, "video", 1):
                    one.release([claimed.claim])
            asked.join()
            for claimed in one.claim(me, "video", 1):
                one.release([claimed.claim])
            record = one.get(job_id or "")
            assert record is not None
            assert record.status is JobState.CANCELLED


def test_many_claimers_share_what_there_is(durable: str) -> None:
    jobs = [job() for _ in range(600)]
    with open_store(durable) as store:
        store.enqueue(jobs)

    def take(number: int) -> list[str]:
        mine: list[str] = []
        me = worker(f"w{number}")
        with open_store(durable) as store:
            while claimed := store.claim(me, "video", 1 + number):
                mine += [each.claim.job_id for each in claimed]
                assert all(store.settle([completed(each.claim) for each in claimed]))
        return mine

    with ThreadPoolExecutor(8) as pool:
        taken = [job_id for mine in pool.map(take, range(8)) for job_id in mine]
    assert sorted(taken) == sorted(each.id for each in jobs)
    assert check_store(durable) == []


def test_rescuers_share_what_is_lost(durable: str) -> None:
    with open_store(durable) as store:
        store.enqueue([job() for _ in range(200)])
        assert len(store.claim(worker("dead"), "video", 200)) == 200

    def rescue(number: int) -> int:
        with open_store(durable) as store:
            return sum(len(store.rescue(worker(f"r{number}"), {"dead"}, limit=20)) for _ in range(10))

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(rescue, range(5))) == 200
    assert check_store(durable) == []


def test_a_clock_of_a_test_is_the_only_one(new_database: Callable[[], str]) -> None:
    url = new_database()
    with postgres_store.PostgresStore(url, locate(url), prices=PriceBook(), clock=lambda: 10**15) as store:
        store.enqueue([job()])
        assert store.now().year == 2001
        assert store.list()[0].created_at == store.now()


@pytest.mark.usefixtures("durable")
@pytest.mark.parametrize(("count", "letters"), [(24_000, 1000), (240, 100_000)])
def test_many_jobs_go_in_by_a_slow_way(
    durable_server: PostgresServer, proxy: CuttingProxy, count: int, letters: int
) -> None:
    """The server's patience with a statement is for its work, not for the way to it."""
    proxy.watch = lambda _: time.sleep(0.01)
    url = durable_server.url(port=proxy.port) + "?options=-c%20statement_timeout%3D2s"
    jobs = [job(payload={"text": "x" * letters}) for _ in range(count)]
    with open_store(url) as store:
        assert store.enqueue(jobs) == [each.id for each in jobs]
