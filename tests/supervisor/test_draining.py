"""When a drain is over."""

from __future__ import annotations

from dataclasses import replace

import anyio
from workplace import Workplace

from pitchey_runner.store.interface import JobState
from pitchey_runner.supervisor import Supervisor


def test_a_retry_is_waited_for_whatever_else_waits(workplace: Workplace) -> None:
    delayed = [replace(workplace.job("test-noop"), delay_seconds=3600) for _ in range(10_001)]
    with workplace.store() as store:
        (first,) = store.enqueue([workplace.job("test-fail", error="TransientError", times=1)])
        store.enqueue(delayed)
        supervisor = Supervisor(store, workplace.host, backoff_base=1.0)

        async def main() -> None:
            await supervisor.run(drain=True)

        anyio.run(main)
        assert store.counts() == {JobState.COMPLETED: 1, JobState.SCHEDULED: 10_001}
        record = store.get(str(first))
    assert record is not None
    assert record.retry_count == 1
