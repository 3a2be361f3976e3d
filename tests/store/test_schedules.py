"""Schedules that this host cannot read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from pitchey_runner.store import open_store
from pitchey_runner.store.drivers import driver_of
from pitchey_runner.store.interface import NewSchedule
from pitchey_runner.testing.store_samples import job


def test_one_that_cannot_fire_here_stops_no_other(
    new_store: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    """Time zones are the host's data, and hosts have different ones."""
    url = new_store()
    with open_store(url) as store:
        for name in ("a", "b"):
            store.set_schedule(NewSchedule(name, "* * * * *", job()))
        with driver_of(url).changing(url) as connection:
            connection.execute(text("UPDATE schedule SET next_fire_at = next_fire_at - 60000000"))
            connection.execute(text("UPDATE schedule SET timezone = 'Mars/Olympus' WHERE name = 'a'"))
        (fired,) = store.fire_schedules()
        found = store.get(fired)
        assert found is not None
        assert found.schedule == "b"
    assert "schedule a cannot fire here" in caplog.text
