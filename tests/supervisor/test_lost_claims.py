"""A worker that has lost its claim without knowing takes nothing from the one that has it now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from workplace import Workplace

from pitchey_core.errors import TransientError
from pitchey_core.order import JobOrder
from pitchey_core.pricing import Usage
from pitchey_core.slots import Outcome
from pitchey_core.storage import Stage, to_url
from pitchey_runner.store.interface import ClaimedJob, JobState, JobStore
from pitchey_runner.supervisor import Supervisor
from pitchey_runner.supervisor.held import Held
from pitchey_runner.supervisor.orders import order_for
from pitchey_runner.supervisor.settling import Settler
from pitchey_runner.testing.store_samples import worker


def claimed_by(name: str, store: JobStore) -> ClaimedJob:
    store.promote_due()
    (job,) = store.claim(worker(name), "test-echo", 1)
    return job


def staged(job: ClaimedJob, order: JobOrder, text: str) -> Outcome:
    """What a slot answers once it has run that job."""
    assert job.output is not None
    stage = Stage(job.output, order.key, overwrite=job.overwrite, workdir=order.workdir)
    stage.path("echo.txt", "text/plain").write_text(text)
    return Outcome(order, {}, stage.seal().as_record(), Usage(wall_us=1), None, None)


@pytest.mark.parametrize("overwrite", [True, False])
def test_the_later_claims_outputs_are_what_is_published(workplace: Workplace, overwrite: bool) -> None:
    out = workplace.root / "out"
    if overwrite:
        out.mkdir()
        (out / "echo.txt").write_text("of last week")
    job = replace(workplace.job("test-echo"), output=to_url(out, Path("/")), overwrite=overwrite)
    host = workplace.host
    with workplace.store() as store:
        store.enqueue([job])
        settler = Settler(store, host)
        old = claimed_by("stopped", store)
        stale = staged(old, order_for(host, old), "of the stopped worker")
        store.rescue(worker("rescuer"), ["stopped"])
        new = claimed_by("rescuer", store)
        fresh = staged(new, order_for(host, new), "of the later claim")

        # The stopped worker goes on: a job of its lane that it had not begun, then the one that it had.
        order_for(host, old)
        assert settler.settle(old, stale) is None
        settler.drop(old, stale)

        settled = settler.settle(new, fresh)
        assert settled is not None
        assert settled.state is JobState.COMPLETED
    assert (out / "echo.txt").read_text() == "of the later claim"
    assert sorted(each.name for each in out.iterdir()) == ["echo.txt", "manifest.json"]


def test_the_end_of_an_old_claim_is_not_the_end_of_the_new_one(workplace: Workplace) -> None:
    """A worker may claim the very job that it has lost, while the old claim is still on its way out."""
    with workplace.store() as store:
        store.enqueue([workplace.job("test-echo")])
        supervisor = Supervisor(store, workplace.host)
        old = Held(claimed_by("me", store))
        store.rescue(worker("rescuer"), ["me"])
        new = Held(claimed_by("me", store))
        supervisor._held[new.job.claim.job_id] = new

        anyio.run(supervisor._fail, old, TransientError("too late"))
        anyio.run(supervisor._release, [old])
        assert supervisor._held == {new.job.claim.job_id: new}
        anyio.run(supervisor._release, [new])
        assert supervisor._held == {}
        assert store.counts() == {JobState.PENDING: 1}
