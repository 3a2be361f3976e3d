"""Who may start: never more memory than there is, small jobs in the gaps, and large ones in their turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_core.capacity import Capacity
from pitchey_core.resources import GIB
from pitchey_runner.supervisor.admission import Admission, Reservation

HOST = Capacity(4.0, 8 * GIB, gpus=1)
SMALL = Capacity(1.0, GIB)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def admission(clock: Clock) -> Admission:
    return Admission(HOST, backfill_wait=5.0, clock=clock)


def test_memory_binds_where_cpus_are_free(admission: Admission) -> None:
    admission.start(Capacity(0.5, 6 * GIB))
    assert admission.fits(Capacity(0.5, 2 * GIB))
    assert not admission.fits(Capacity(0.5, 2 * GIB + 1))


def test_idle_slots_are_in_the_way_of_memory_only(admission: Admission) -> None:
    admission.idle_bytes = 2 * GIB
    assert not admission.lacks_idle_memory(Capacity(1.0, 8 * GIB)), "alone, it does not mind them"
    admission.start(Capacity(1.0, 5 * GIB))
    assert not admission.lacks_idle_memory(Capacity(1.0, GIB)), "it fits beside them"
    assert admission.lacks_idle_memory(Capacity(1.0, 3 * GIB))
    assert not admission.lacks_idle_memory(Capacity(1.0, 4 * GIB)), "it would not fit without them"
    assert not admission.lacks_idle_memory(Capacity(4.0, 2 * GIB)), "it lacks vCPUs as well"


def test_idle_slots_give_back_what_the_host_is_short_of(clock: Clock) -> None:
    admission = Admission(HOST, spare=lambda: GIB, clock=clock)
    admission.idle_bytes = GIB
    running = admission.start(SMALL)
    running.used_bytes = GIB
    assert admission.lacks_idle_memory(Capacity(1.0, 2 * GIB))
    assert not admission.lacks_idle_memory(Capacity(1.0, 3 * GIB))


def test_an_accelerator_is_for_one_job_at_a_time(admission: Admission) -> None:
    first = admission.start(Capacity(0.5, GIB, gpus=1))
    assert not admission.fits(Capacity(0.5, GIB, gpus=1))
    assert admission.fits(Capacity(0.5, GIB))
    admission.end(first)
    assert admission.fits(Capacity(0.5, GIB, gpus=1))


def test_a_job_with_more_cpus_than_the_host_runs_alone(admission: Admission) -> None:
    large = Capacity(16.0, GIB)
    running = admission.start(Capacity(0.5, GIB))
    assert not admission.fits(large)
    admission.end(running)
    assert admission.fits(large)
    admission.start(large)
    assert not admission.fits(Capacity(0.5, GIB))


def test_cpus_are_promised_more_than_once_where_that_is_allowed_and_memory_never(clock: Clock) -> None:
    admission = Admission(HOST, cpu_overcommit=2.0, clock=clock)
    # All that the host has is the most that one of them can use, so it is the most that one reserves.
    large = Capacity(16.0, GIB)
    admission.start(large)
    assert admission.fits(large)
    admission.start(large)
    assert admission.reserved.vcpus == 8.0
    assert not admission.fits(Capacity(0.5, GIB))
    for running in list(admission._running):
        admission.end(running)
    admission.start(Capacity(0.5, 5 * GIB))
    assert not admission.fits(Capacity(0.5, 4 * GIB))


def test_a_frozen_job_gives_back_its_cpus_and_not_its_memory(admission: Admission) -> None:
    running = admission.start(Capacity(4.0, 5 * GIB))
    running.frozen = True
    assert admission.fits(Capacity(4.0, 3 * GIB))
    assert not admission.fits(Capacity(1.0, 4 * GIB))


def test_small_jobs_fill_the_gap_until_a_large_one_has_waited_and_then_it_gets_its_turn(
    admission: Admission, clock: Clock
) -> None:
    """An endless stream of small jobs of ten seconds each, one started each second where it fits."""
    large = Capacity(4.0, 4 * GIB)
    running: list[tuple[float, Reservation]] = []
    backfilled = []
    for second in range(60):
        clock.now = float(second)
        for ends, reservation in list(running):
            if ends <= clock.now:
                admission.end(reservation)
                running.remove((ends, reservation))
        if second >= 3 and admission.fits(large, "large"):
            break
        if second >= 3:
            admission.wait("large", large)
        if admission.fits(SMALL):
            backfilled.append(second)
            running.append((clock.now + 10, admission.start(SMALL)))
    else:
        raise AssertionError("the large one starved")
    assert max(backfilled) < 8 <= second <= 18
    # Without ageing they had kept it out for good: there is always one that runs.
    starving = Admission(HOST, backfill_wait=1e9, clock=clock)
    starving.wait("large", large)
    clock.now += 3600
    starving.start(SMALL)
    assert starving.fits(SMALL)


def test_what_fits_beside_the_large_one_need_not_wait_for_it(admission: Admission, clock: Clock) -> None:
    old = admission.start(Capacity(3.0, GIB))
    large = Capacity(3.0, 4 * GIB)
    admission.wait("large", large)
    clock.now = 6.0
    assert admission.fits(SMALL)
    beside = admission.start(SMALL)
    # A second one would fit now, but not beside the large one.
    admission.end(old)
    assert not admission.fits(SMALL)
    assert admission.fits(large, "large")
    admission.end(beside)
    admission.leave("large")
    assert admission.fits(SMALL)


def test_room_is_kept_for_one_at_a_time(admission: Admission, clock: Clock) -> None:
    admission.start(Capacity(1.0, 6 * GIB))
    admission.wait("first", Capacity(1.0, 4 * GIB))
    admission.wait("second", Capacity(4.0, GIB))
    clock.now = 6.0
    assert admission.fits(SMALL)


def test_memory_that_others_use_is_not_promised(clock: Clock) -> None:
    spare = 3 * GIB
    admission = Admission(HOST, spare=lambda: spare, clock=clock)
    # Alone it may run: it had to wait for ever otherwise.
    assert admission.fits(Capacity(1.0, 4 * GIB))
    running = admission.start(Capacity(1.0, 2 * GIB))
    assert admission.fits(Capacity(1.0, GIB))
    assert not admission.fits(Capacity(1.0, 2 * GIB))
    running.used_bytes = 2 * GIB
    assert admission.fits(Capacity(1.0, 2 * GIB))


demands = st.builds(
    Capacity,
    st.sampled_from([0.5, 1.0, 2.0, 4.0, 8.0]),
    st.integers(1, 8 * GIB),
    st.integers(0, 1),
)


@given(st.lists(st.tuples(demands, st.integers(0, 5), st.floats(0, 4)), max_size=60))
def test_nothing_is_promised_twice_whatever_comes(steps: list[tuple[Capacity, int, float]]) -> None:
    clock = Clock()
    admission = Admission(HOST, clock=clock)
    running: list[Reservation] = []
    for number, (demand, ended, passed) in enumerate(steps):
        clock.now += passed
        for _ in range(min(ended, len(running))):
            admission.end(running.pop(0))
        if admission.fits(demand, number):
            admission.leave(number)
            running.append(admission.start(demand))
        else:
            admission.wait(number, demand)
        reserved = admission.reserved
        assert reserved.memory_bytes <= HOST.memory_bytes
        assert reserved.vcpus <= HOST.vcpus
        assert reserved.gpus <= HOST.gpus
        given = [device for each in running for device in each.devices]
        assert len(given) == len(set(given)) == reserved.gpus
    for reservation in running:
        admission.end(reservation)
    # Whoever has waited longest can always be served by an idle host.
    waiting = [key for key in admission._waiting if key is not None]
    if waiting:
        clock.now += 100
        oldest = min(waiting, key=lambda key: admission._waiting[key].since)
        assert admission.fits(admission._waiting[oldest].demand, oldest)
