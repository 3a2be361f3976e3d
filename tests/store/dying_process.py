"""Works on stores, and dies in children of its own: before a chosen statement, or right after a commit.

It says how many :data:`STEPS` there are, then reads a JSON object a line, and answers with one. Of ``{"store": …,
"steps": [first, end], "die": n}`` it forks a child that takes these steps, and kills itself at its n-th point (0: at
none). The answer has ``done``, the steps up to the last that was answered; ``points``, how many were passed; and
``died`` with ``committed``: whether it was after a commit. Points are before each statement of a transaction, and after
each commit.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from pitchey_core.pricing import PriceBook, Usage
from pitchey_runner.store import postgres, sqlite
from pitchey_runner.store.drivers import driver_of
from pitchey_runner.store.interface import (
    Beat,
    Budget,
    BudgetPeriod,
    BudgetScope,
    Dependency,
    JobStore,
    ManifestCommit,
    Missed,
    NewJob,
    NewSchedule,
    QueueLimits,
    RateLimit,
    Unique,
)
from pitchey_runner.store.postgres.location import locate as locate_database
from pitchey_runner.store.postgres.store import PostgresStore
from pitchey_runner.store.sqlite.connection import SqliteConnection
from pitchey_runner.store.sqlite.location import locate as locate_file
from pitchey_runner.store.sqlite.store import SqliteStore
from pitchey_runner.testing.store_samples import ManualClock, completed, failed, job, retried, worker

Step = Callable[[JobStore], object]

ONE, TWO, OTHER = worker("w1"), worker("w2"), worker("w3")
_USAGE = Usage(wall_us=1_000, cpu_us=500, peak_memory_bytes=1 << 20)


def _job(name: str, **changes: Any) -> NewJob:
    return job(id=f"00000000-0000-4000-8000-{name:>012}", **changes)


def _held(store: JobStore, by: str, place: int = 0) -> Any:
    return store.claimed(by)[place]


def _enqueue(store: JobStore) -> object:
    first = _job("1", unique=Unique("only"), concurrency_key="k", concurrency_limit=5)
    after = _job("2", depends_on=(Dependency(first.id),))
    many = [_job(str(number), batch_id="b", item_key=str(number)) for number in range(10, 16)]
    return store.enqueue([first, after, _job("3", delay_seconds=5.0), _job("4"), _job("5"), *many])


def _settle(store: JobStore) -> object:
    first, second, third, *_ = store.claimed("w1")
    ends = [
        completed(first.claim, usage=_USAGE, cost_nanos=7),
        retried(second.claim, cost_nanos=3),
        failed(third.claim, cost_nanos=2),
    ]
    return store.settle(ends)


STEPS: list[Step] = [
    lambda store: store.register_worker(ONE),
    lambda store: store.limit_queue("video", QueueLimits(rate=RateLimit(100, 1.0))),
    lambda store: store.set_budget(Budget(BudgetScope.TYPE, "video", BudgetPeriod.DAY, 10)),
    lambda store: store.set_schedule(
        NewSchedule("often", "* * * * *", _job("9"), missed=Missed.ONCE),
    ),
    _enqueue,
    lambda store: store.claim(ONE, "video", 5),
    lambda store: store.beat("w1", [Beat(each.claim, 0.5, "half", _USAGE) for each in store.claimed("w1")]),
    lambda store: store.commit_manifests(
        [ManifestCommit(_held(store, "w1").claim, {"files": []}, {"state": "completed"})]
    ),
    _settle,
    lambda store: store.promote_due(),
    lambda store: store.fire_schedules(),
    lambda store: store.release([_held(store, "w1").claim]),
    lambda store: store.claim(TWO, "video", 3),
    lambda store: store.commit_manifests(
        [ManifestCommit(_held(store, "w2").claim, {"files": []}, {"state": "completed"})]
    ),
    lambda store: store.pause([_held(store, "w2", 1).claim.job_id]),
    lambda store: store.rescue(OTHER, ["w2"]),
    lambda store: store.settle([completed(_held(store, "w3").claim, cost_nanos=1)]),
    lambda store: store.cancel([_job("15").id, _job("14").id]),
    lambda store: store.retry([_job("15").id]),
    lambda store: store.enqueue([_job("20")], claimed_by=OTHER),
    lambda store: store.remove_worker("w2"),
    lambda store: store.purge([_job("14").id]),
]


class _Points:
    """Counts the points of the thread that writes, and dies at one."""

    def __init__(self, die: int, answers: int) -> None:
        self.passed = 0
        self._die = die
        self._answers = answers
        self._writer: int | None = None

    def around(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        def executed(connection: Any, statement: Any, *values: Any, **options: Any) -> Any:
            word = str(statement).split(maxsplit=1)[0].rstrip(";").upper()
            if word == "BEGIN":
                self._writer = threading.get_ident()
            if self._writer != threading.get_ident():
                return execute(connection, statement, *values, **options)
            self._pass()
            answer = execute(connection, statement, *values, **options)
            if word == "COMMIT":
                self._pass(committed=True)
                self._writer = None
            return answer

        return executed

    def say(self, **what: Any) -> None:
        os.write(self._answers, (json.dumps({**what, "points": self.passed}) + "\n").encode())

    def _pass(self, *, committed: bool = False) -> None:
        self.passed += 1
        if self.passed == self._die:
            self.say(died=True, committed=committed)
            os.kill(os.getpid(), signal.SIGKILL)


def _arm(points: _Points) -> None:
    import psycopg

    for cls in (SqliteConnection, psycopg.Cursor):
        for name in ("execute", "executemany"):
            setattr(cls, name, points.around(getattr(cls, name)))


def _open(url: str, clock: ManualClock) -> JobStore:
    if driver_of(url) is sqlite:
        return SqliteStore(locate_file(url), prices=PriceBook(), clock=clock)
    assert driver_of(url) is postgres
    return PostgresStore(url, locate_database(url), prices=PriceBook(), clock=clock)


def _work(url: str, steps: range, points: _Points) -> None:
    clock = ManualClock()
    clock.advance(10.0 * steps.start)
    with _open(url, clock) as store:
        for number in steps:
            clock.advance(10.0)
            STEPS[number](store)
            points.say(done=number + 1)


def _in_a_child(url: str, steps: range, die: int) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            points = _Points(die, writing)
            _arm(points)
            _work(url, steps, points)
        except BaseException:  # noqa: BLE001 - the child ends here
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    os.close(writing)
    said: dict[str, Any] = {"done": steps.start, "died": False}
    with os.fdopen(reading) as lines:
        for line in lines:
            said.update(json.loads(line))
    _, status = os.waitpid(child, 0)
    return {**said, "status": os.waitstatus_to_exitcode(status)}


if __name__ == "__main__":
    print(len(STEPS), flush=True)
    for asked in map(json.loads, sys.stdin):
        answer = _in_a_child(asked["store"], range(*asked["steps"]), asked["die"])
        print(json.dumps(answer), flush=True)
