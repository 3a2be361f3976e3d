"""Cancellations and signals that come while a job is on its way into its slot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import anyio.to_thread
import pytest
from workplace import Workplace, wait_until

from pitchey_core.order import JobOrder
from pitchey_core.slots import LocalExecutor, Slot
from pitchey_runner.store.interface import ClaimedJob, JobRecord, JobState, JobStore
from pitchey_runner.supervisor import Supervisor
from pitchey_runner.supervisor.identity import this_worker
from pitchey_runner.supervisor.orders import Orders


class Intruder(LocalExecutor):
    """Does something while a slot is being opened."""

    def __init__(self, intrude: Callable[[], None]) -> None:
        super().__init__()
        self._intrude = intrude

    async def open_slot(self, tag: str, *, devices: Sequence[str] = ()) -> Slot:
        await anyio.to_thread.run_sync(self._intrude)
        return await super().open_slot(tag, devices=devices)


def claim_and_release(store: JobStore) -> None:
    somebody = this_worker(["test-noop"], lease_seconds=5.0)
    (claimed,) = store.claim(somebody, "test-noop", 1)
    assert store.release([claimed.claim]) == [True]


def work(worker: Supervisor, store: JobStore) -> list[JobRecord]:
    async def main() -> None:
        await worker.run(drain=True)

    anyio.run(main)
    return store.list(newest_first=False)


@pytest.mark.parametrize("moment", ["order", "slot"])
def test_a_job_that_is_cancelled_on_its_way_into_a_slot_does_not_run(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    job = workplace.job("test-noop")

    def cancel() -> None:
        with workplace.store() as elsewhere:
            assert elsewhere.cancel([job.id]) == [JobState.PROCESSING]
        wait_until(lambda: worker._held[job.id].cancelled, what="the news of the cancellation")

    def slow_order(orders: Orders, claimed: ClaimedJob) -> JobOrder:
        cancel()
        return orders.order(claimed)

    with workplace.store() as store:
        store.enqueue([job])
        if moment == "order":
            # The first claim of a job has no folders of earlier ones that would have to be looked for.
            claim_and_release(store)
            monkeypatch.setattr(Orders, "prepare", slow_order)
            worker = Supervisor(store, workplace.host)
        else:
            worker = Supervisor(store, workplace.host, executor=Intruder(cancel))
        (record,) = work(worker, store)
    assert (record.status, record.retry_count) == (JobState.CANCELLED, 0)
    assert workplace.traces() == []


@pytest.mark.parametrize("moment", ["order", "slot"])
def test_the_second_signal_also_stops_what_is_on_its_way_into_a_slot(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def stop_twice() -> None:
        anyio.from_thread.run_sync(worker.stop)
        anyio.from_thread.run_sync(worker.stop)

    def slow_order(orders: Orders, claimed: ClaimedJob) -> JobOrder:
        stop_twice()
        return orders.order(claimed)

    with workplace.store() as store:
        store.enqueue([workplace.job("test-noop")])
        if moment == "order":
            # The first claim of a job has no folders of earlier ones that would have to be looked for.
            claim_and_release(store)
            monkeypatch.setattr(Orders, "prepare", slow_order)
            worker = Supervisor(store, workplace.host)
        else:
            worker = Supervisor(store, workplace.host, executor=Intruder(stop_twice))
        (record,) = work(worker, store)
    assert (record.status, record.retry_count) == (JobState.PENDING, 0)
    assert workplace.traces() == []
