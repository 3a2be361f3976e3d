"""Postgres is restarted, and crashes, again and again while supervisors work: nothing is lost or published twice.

Small by default. At full scale, on request::

    PITCHEY_CHAOS_JOBS=2000 PITCHEY_CHAOS_RESTARTS=10 pytest tests/chaos -k restarts -s
"""

from __future__ import annotations

import signal
from functools import partial

import pytest
from postgres_server import PostgresServer
from storm import Storm, ride_out, scale
from workplace import Workplace

RESTARTS = scale("RESTARTS", 3)


def restart(server: PostgresServer, storm: Storm) -> str:
    how = storm.rng.choice([signal.SIGINT, signal.SIGQUIT])
    server.restart(how)
    return "restart" if how is signal.SIGINT else "crash"


@pytest.mark.slow
@pytest.mark.timeout(0 if RESTARTS > 3 else 300)
def test_restarts_of_postgres_lose_nothing_and_repeat_nothing(
    on_postgres: Workplace, server: PostgresServer
) -> None:
    ride_out(
        on_postgres,
        partial(restart, server),
        jobs=scale("JOBS", 150),
        strikes=RESTARTS,
        pause=(1.0, 3.0),
    )
    runners = len(on_postgres.runners)
    assert runners == 2, "no supervisor had to be started again"
