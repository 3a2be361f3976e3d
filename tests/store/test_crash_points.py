"""A process that uses a store is killed before each of its statements, and after each commit: all of a call or nothing.

What the tables hold then is compared with what they hold where nobody was killed.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pitchey_runner.store.checking import check_store
from pitchey_runner.store.drivers import driver_of
from pitchey_runner.store.tables import StoreTable

_PROGRAM = Path(__file__).with_name("dying_process.py")
_NUMBERED = {"seq", "job_seq", "parent_seq"}

Contents = dict[str, list[tuple[object, ...]]]


class Victim:
    """The process that forks those that die."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.steps = int(self._process.stdout.readline())

    def work(self, url: str, steps: range, *, die: int = 0) -> dict[str, Any]:
        """See the program."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"store": url, "steps": [steps.start, steps.stop], "die": die}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert answer["status"] == (-signal.SIGKILL if answer["died"] else 0)
        return answer

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def victim() -> Iterator[Victim]:
    victim = Victim()
    yield victim
    victim.close()


def contents(url: str, *, numbers: bool = True) -> Contents:
    """All rows of all tables; without the numbers that a rolled back transaction may have used up."""
    found: Contents = {}
    with driver_of(url).looking(url) as connection:
        for table in StoreTable.metadata.sorted_tables:
            columns = [each for each in table.columns if numbers or each.name not in _NUMBERED]
            rows = [tuple(row) for row in connection.execute(select(*columns))]
            found[table.name] = sorted(rows, key=repr)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_kill_at_any_statement_leaves_all_of_a_call_or_nothing(
    new_store: Callable[[], str], victim: Victim
) -> None:
    """And whoever comes next takes up the work where it stood."""
    url = new_store()
    states = [contents(url)]
    for number in range(victim.steps):
        victim.work(url, range(number, number + 1))
        states.append(contents(url))
    assert all(before != after for before, after in pairwise(states)), "each step changes something"
    whole = contents(url, numbers=False)

    commits = 0
    for point in count(1):
        url = new_store()
        answer = victim.work(url, range(victim.steps), die=point)
        if not answer["died"]:
            break
        # What was committed and not answered is there too.
        done = answer["done"] + answer["committed"]
        commits += answer["committed"]
        assert contents(url) == states[done], f"step {done}, point {point}"
        assert check_store(url) == []
        victim.work(url, range(done, victim.steps))
        assert contents(url, numbers=False) == whole
    assert commits == victim.steps
    assert point > 5 * victim.steps
