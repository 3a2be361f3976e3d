"""Clocks step by hours, forward and back, while supervisors work: leases hold, schedules fire once, nothing is lost.

On SQLite the clock is that of the supervisors' processes; on Postgres it is the server's, and theirs, which step
otherwise, do not count. Small by default. At full scale, on request::

    PITCHEY_CHAOS_JOBS=1000 PITCHEY_CHAOS_STEPS=50 pytest tests/chaos -k clock -s
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from storm import Storm, ride_out, scale
from workplace import Workplace

from pitchey_runner.store.interface import Missed, NewSchedule

STEPS = scale("STEPS", 4)
HOUR = 3600.0

# A function of this name in a schema that is searched earlier is the server's clock for whoever asks.
_STEPPING_CLOCK = """
CREATE TABLE clock (ahead interval NOT NULL);
INSERT INTO clock VALUES ('0');
CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM public.clock';
ALTER DATABASE postgres SET search_path = public, pg_catalog;
"""


class Clock:
    """The clock of the supervisors' processes: so many seconds ahead."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(0.0)

    def set(self, ahead: float) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(ahead))
        fresh.replace(self.file)


class Steps:
    """Sets a clock to anything within half a day, and last of all ahead of all that, so that all is due by then.

    Before the first step a schedule begins that fires each minute, and once for what it has missed.
    """

    def __init__(self, set_clock: Callable[[float], None]) -> None:
        self._set = set_clock
        self._ahead = 0.0
        self.left = STEPS

    def __call__(self, storm: Storm) -> str:
        if self.left == STEPS:
            job = replace(storm.place.job("test-noop"), batch_id=None)
            storm.store.set_schedule(NewSchedule("each-minute", "* * * * *", job, missed=Missed.ONCE))
        self.left -= 1
        before = self._ahead
        self._ahead = storm.rng.uniform(-12, 12) * HOUR if self.left else 13 * HOUR
        self._set(self._ahead)
        return "forward" if self._ahead > before else "back"


def ride_out_steps(place: Workplace, steps: Steps, clock: Clock) -> None:
    ride_out(place, steps, jobs=scale("JOBS", 100), strikes=STEPS, pause=(1.5, 3.0), clock=str(clock.file))
    assert len(place.runners) == 2, "no supervisor had to be started again"
    fired = re.findall("a schedule has enqueued job (.*)", place.runners[0].log.read_text())
    with place.store() as store:
        records = store.list(limit=1_000_000)
        assert sum(record.lost_count for record in records) == 0, "nobody has died"
        theirs = [job.id for job in records if job.schedule == "each-minute"]
    assert len(fired) >= 1
    assert sorted(fired) == sorted(theirs)


@pytest.mark.slow
@pytest.mark.timeout(0 if STEPS > 4 else 300)
def test_steps_of_the_clock_on_sqlite(workplace: Workplace) -> None:
    clock = Clock(workplace.root / "clock")
    ride_out_steps(workplace, Steps(clock.set), clock)


@pytest.mark.slow
@pytest.mark.timeout(0 if STEPS > 4 else 300)
def test_steps_of_the_clock_of_postgres(on_postgres: Workplace, server: PostgresServer) -> None:
    for statement in _STEPPING_CLOCK.split(";")[:-1]:
        server.execute(statement)
    clock = Clock(on_postgres.root / "clock")

    def set_both(ahead: float) -> None:
        server.execute(f"UPDATE clock SET ahead = '{ahead} seconds'")
        clock.set(-ahead)

    ride_out_steps(on_postgres, Steps(set_both), clock)
    (answer,) = server.execute("SELECT clock_timestamp() - pg_catalog.clock_timestamp() > '12 hours'")
    assert answer == (True,), "it was the server's clock"
