"""A worker that has lost its claim without knowing takes nothing from the one that has it now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from workplace import Workplace

from pitchey_core.errors import InputError, TransientError
from pitchey_core.order import JobOrder
from pitchey_core.pricing import Usage
from pitchey_core.slots import Outcome
from pitchey_core.storage import Stage, to_url
from pitchey_runner.store.interface import ClaimedJob, JobState, JobStore, Rescue
from pitchey_runner.supervisor import Supervisor, settling
from pitchey_runner.supervisor.held import Held
from pitchey_runner.supervisor.orders import Orders
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
    (order.workdir / "inputs").mkdir(parents=True)
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
        stale = staged(old, Orders(host).prepare(old), "of the stopped worker")
        store.rescue(worker("rescuer"), ["stopped"])
        new = claimed_by("rescuer", store)
        fresh = staged(new, Orders(host).prepare(new), "of the later claim")

        # The stopped worker goes on: a job of its lane that it had not begun, then the one that it had.
        Orders(host).prepare(old)
        assert settler.settle([(old, stale)]) == [None]
        settler.drop(old, stale)
        assert [each.name for each in (workplace.data_dir / "work").iterdir()] == [fresh.order.key]

        (settled,) = settler.settle([(new, fresh)])
        assert settled is not None
        assert settled.state is JobState.COMPLETED
    assert (out / "echo.txt").read_text() == "of the later claim"
    assert sorted(each.name for each in out.iterdir()) == ["echo.txt", "manifest.json"]
    assert list((workplace.data_dir / "work").iterdir()) == []


def test_what_a_taken_over_job_has_staged_is_left_to_its_new_holder(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = workplace.root / "out"
    job = replace(workplace.job("test-echo"), output=to_url(out, Path("/")))
    host = workplace.host
    taken: list[Rescue] = []

    def taken_over(_: object) -> None:
        taken.extend(store.rescue(worker("rescuer"), ["slow"]))
        raise InputError("the disk has just gone")

    with workplace.store() as store:
        store.enqueue([job])
        settler = Settler(store, host)
        slow = claimed_by("slow", store)
        with monkeypatch.context() as patch:
            patch.setattr(settling, "publish", taken_over)
            assert settler.settle([(slow, staged(slow, Orders(host).prepare(slow), "whole"))]) == [None]
        assert taken[0].rolled_forward is not None
        settled = settler.roll_forward(taken[0].rolled_forward)
    assert settled is not None
    assert settled.state is JobState.COMPLETED
    assert (out / "echo.txt").read_text() == "whole"
    assert list((workplace.data_dir / "work").iterdir()) == []


def test_what_killed_runners_have_left_to_work_on_goes_before_the_next_try(workplace: Workplace) -> None:
    work = workplace.data_dir / "work"
    with workplace.store() as store:
        store.enqueue([workplace.job("test-echo")])
        for name in ("one", "two", "three"):
            job = claimed_by(name, store)
            key = Orders(workplace.host).prepare(job).key
            assert not work.exists() or list(work.iterdir()) == []
            (work / key / "inputs").mkdir(parents=True)
            if name != "three":
                store.cancel([job.claim.job_id])
                store.rescue(worker("rescuer"), [name])
                store.retry([job.claim.job_id])


def test_the_end_of_an_old_claim_is_not_the_end_of_the_new_one(workplace: Workplace) -> None:
    """A worker may claim the very job that it has lost, while the old claim is still on its way out."""
    with workplace.store() as store:
        store.enqueue([workplace.job("test-echo")])
        supervisor = Supervisor(store, workplace.host)
        old = Held(claimed_by("me", store))
        store.rescue(worker("rescuer"), ["me"])
        new = Held(claimed_by("me", store))
        supervisor._held[new.job.claim.job_id] = new

        anyio.run(supervisor._ends.fail, old, TransientError("too late"))
        anyio.run(supervisor._ends.release, [old])
        assert supervisor._held == {new.job.claim.job_id: new}
        anyio.run(supervisor._ends.release, [new])
        assert supervisor._held == {}
        assert store.counts() == {JobState.PENDING: 1}
