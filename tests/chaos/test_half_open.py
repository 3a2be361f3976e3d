"""Connections to Postgres that are dead without a word: supervisors notice, make new ones, and lose nothing.

By default the times after which silence counts as death are short. With those that users have, on request::

    PITCHEY_CHAOS_JOBS=1000 PITCHEY_CHAOS_SILENCES=6 PITCHEY_CHAOS_PATIENT=1 pytest tests/chaos -k half_open -s
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cutting_proxy import CuttingProxy
from dropped_packets import DroppedPackets, dropped_packets
from postgres_server import PostgresServer
from storm import Storm, ride_out, scale
from workplace import Workplace

from pitchey_runner.store.postgres import changes, watchdog

SILENCES = scale("SILENCES", 2)
PATIENT = scale("PATIENT", 0)


@pytest.fixture
def dropped(server: PostgresServer) -> Iterator[DroppedPackets]:
    if reason := DroppedPackets.why_not():
        pytest.skip(reason)
    with dropped_packets(server.port) as dropped:
        yield dropped


@pytest.fixture
def proxy(server: PostgresServer) -> Iterator[CuttingProxy]:
    with CuttingProxy(server.port) as proxy:
        yield proxy


@pytest.mark.slow
@pytest.mark.timeout(0 if SILENCES > 2 or PATIENT else 300)
def test_half_open_connections_whose_packets_are_dropped(
    on_postgres: Workplace, server: PostgresServer, dropped: DroppedPackets
) -> None:
    """Nothing that is sent is acknowledged any more: the kernel gives up after ``tcp_user_timeout``."""
    if not PATIENT:
        on_postgres.store_url = f"{server.url(tcp=True)}?tcp_user_timeout=1500"

    def fall_silent(_: Storm) -> str:
        assert dropped.drop() >= 2
        return "packets dropped"

    ride_out(
        on_postgres,
        fall_silent,
        jobs=scale("JOBS", 100),
        strikes=SILENCES,
        pause=(20.0, 30.0) if PATIENT else (2.0, 4.0),
    )
    assert len(on_postgres.runners) == 2, "no supervisor had to be started again"


@pytest.mark.slow
@pytest.mark.timeout(0 if SILENCES > 2 or PATIENT else 300)
def test_half_open_connections_behind_a_proxy_that_says_nothing(
    on_postgres: Workplace, server: PostgresServer, proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent is acknowledged, and nobody answers: the watchdog of the store gives up."""
    on_postgres.store_url = server.url(port=proxy.port)
    options = {} if PATIENT else {"answer_seconds": 1.5, "probe_seconds": 0.5}
    if not PATIENT:
        monkeypatch.setattr(watchdog, "ANSWER_SECONDS", 1.5)
        monkeypatch.setattr(changes, "_PROBE_SECONDS", 0.5)

    def fall_silent(_: Storm) -> str:
        proxy.freeze()
        return "silence"

    ride_out(
        on_postgres,
        fall_silent,
        jobs=scale("JOBS", 100),
        strikes=SILENCES,
        pause=(60.0, 90.0) if PATIENT else (2.0, 4.0),
        **options,
    )
    assert len(on_postgres.runners) == 2, "no supervisor had to be started again"
