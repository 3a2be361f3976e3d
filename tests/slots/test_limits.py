"""What keeps a slot to its memory is told as it is, also where the kernel's group no longer does."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from workplace import Workplace, children_of

from pitchey_core.errors import LimitExceeded
from pitchey_core.order import JobOrder
from pitchey_core.process import process_start_ticks
from pitchey_core.process.cgroup_places import places
from pitchey_core.resources import MIB
from pitchey_core.slots import LocalExecutor, Outcome, new_tag
from pitchey_core.slots.confinement import SUPERVISION, enforcer, group_name


def take_its_group_away(warden: int) -> None:
    """What an administrator's tool, or a service manager that tidies up, may do."""
    name = group_name(warden, process_start_ticks(warden))
    folders = {place.folder / name for place in places()}
    assert any(folder.exists() for folder in folders)
    for folder in folders:
        for pid in (folder / "cgroup.procs").read_text().split():
            (folder.parent / "cgroup.procs").write_text(pid)
        folder.rmdir()


def is_warden(pid: int) -> bool:
    return b"pitchey_core.slots.warden" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_where_the_group_of_a_slot_is_gone_supervision_enforces_its_limits_and_it_says_so(
    workplace: Workplace,
) -> None:
    if enforcer() == SUPERVISION:
        pytest.skip("no cgroup hierarchy is writable here")

    async def main() -> list[Outcome]:
        slot = await LocalExecutor().open_slot(new_tag("test"))
        try:
            outcomes = await slot.run([order("before", "test-noop")])
            (warden,) = [pid for pid in children_of(os.getpid()) if is_warden(pid)]
            take_its_group_away(warden)
            outcomes += await slot.run([order("greedy", "test-hog", mib=600, seconds=5.0)])
            outcomes += await slot.run([order("after", "test-noop")])
            return outcomes
        finally:
            await slot.close()

    def order(job_id: str, job_type: str, **payload: Any) -> JobOrder:
        made = workplace.host.order(job_type, payload, job_id=job_id, base_dir=workplace.data_dir)
        # Another limit than that of the job before, so that it has to be set.
        memory = MIB * (250 if job_type == "test-hog" else 300)
        return replace(made, limits=replace(made.limits, memory_bytes=memory))

    before, greedy, after = anyio.run(main)
    assert before.enforced_by == enforcer()
    assert isinstance(greedy.error, LimitExceeded)
    assert greedy.error.limit == "memory"
    assert greedy.usage.memory_method == "sampled-pss"
    assert (greedy.enforced_by, after.enforced_by) == (SUPERVISION, SUPERVISION)
    assert after.error is None
