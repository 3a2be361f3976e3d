"""Supervisors and slots are killed at random while they work, and started again: nothing is lost or published twice.

Small by default. At full scale, on request::

    PITCHEY_CHAOS_JOBS=2000 PITCHEY_CHAOS_KILLS=500 pytest tests/chaos -k storm -s
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from storm import Storm, ride_out, scale
from workplace import RunningSupervisor, Workplace, children_of

KILLS = scale("KILLS", 25)
_SLOTS_SECONDS = 5.0


def kill_somebody(storm: Storm) -> str:
    if storm.rng.random() < 0.6 and (slots := _slots(storm)):
        victim = storm.rng.choice(slots)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            return "nobody"
        return "slot"
    runner = storm.rng.choice(storm.runners)
    assert runner.process.poll() is None, f"it ended by itself:\n{runner.log.read_text()}"
    runner.kill()
    storm.runners.remove(runner)
    storm.start()
    return "supervisor"


def _slots(storm: Storm) -> list[int]:
    """Those of all supervisors. Two that have just been started have none yet, and none is missed without jobs."""
    end = time.monotonic() + _SLOTS_SECONDS
    while not (slots := [pid for each in storm.runners for pid in _slots_of(each)]):
        if time.monotonic() > end:
            break
        time.sleep(0.01)
    return slots


def _slots_of(runner: RunningSupervisor) -> list[int]:
    """Its wardens, and the processes that they have forked for jobs.

    Not what a job has forked, even before it has become another program: a job whose program was killed has failed.
    """
    wardens = [pid for pid in children_of(runner.process.pid) if _is_warden(pid)]
    return [*wardens, *(pid for warden in wardens for pid in children_of(warden) if _is_warden(pid))]


def _is_warden(pid: int) -> bool:
    try:
        return b"pitchey_core.slots.warden" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(0 if KILLS > 100 else 300)
def test_a_storm_of_kills_loses_nothing_and_publishes_nothing_twice(stormy: Workplace) -> None:
    ride_out(stormy, kill_somebody, jobs=scale("JOBS", 150), strikes=KILLS, pause=(0.1, 0.8))
