"""``pitchey-run PROCESSOR``: one job, here and now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import click

from pitchey_core.errors import StoreError, error_from_record
from pitchey_core.library import plan
from pitchey_runner.cli.answers import answer_of
from pitchey_runner.cli.failures import INTERRUPTED
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.budgets import show_estimate
from pitchey_runner.cli.render.jobs import show_result
from pitchey_runner.cli.render.output import write_json
from pitchey_runner.cli.render.plans import show_plan
from pitchey_runner.cli.render.progress import progress_bars
from pitchey_runner.cli.requests import request_from
from pitchey_runner.store.interface import Estimate
from pitchey_runner.submission import input_fingerprints, known_bytes, new_job, result_of
from pitchey_runner.supervisor import Supervisor

__all__ = ["run_verb"]


def run_verb(ctx: click.Context, processor: str) -> int:
    """Run one job and show its result."""
    invocation = ctx.ensure_object(Invocation)
    request = request_from(ctx, processor)
    if ctx.params["dry_run"]:
        planned = plan(processor, request.payload, output=request.output, registry=invocation.registry)
        learned = _learned(invocation, processor, request.payload)
        if invocation.as_json:
            estimate = None if learned is None else learned.as_record()
            write_json({**planned.model_dump(mode="json"), "estimate": estimate})
        else:
            show_plan(planned)
            if learned is not None:
                show_estimate(learned)
        return 0
    host = invocation.host
    job = new_job(host, request, base=Path.cwd())
    with invocation.open_store() as store, progress_bars(live=invocation.live) as watcher:
        supervisor = Supervisor(store, host, types=[job.type], watcher=watcher)
        record = anyio.run(supervisor.run_one, job)
    result = result_of(record)
    if invocation.as_json:
        write_json(result)
    else:
        answer = answer_of(invocation.registry, record.type, result)
        show_result(result, answer=answer, wall_seconds=record.processing_time_seconds)
    if result["status"] == "completed":
        return 0
    if supervisor.interrupted:
        return INTERRUPTED
    return error_from_record(record.error).exit_code if record.error else 1


def _learned(invocation: Invocation, processor: str, payload: Mapping[str, Any]) -> Estimate | None:
    """What such jobs have taken in the store; a dry run makes none, and does not fail for want of one."""
    from pitchey_runner.store.migrations import schema_revision

    host = invocation.host
    try:
        if schema_revision(host.settings.store) is None:
            return None
        size = known_bytes(input_fingerprints(host, processor, host.normalise(processor, payload)))
        with invocation.open_store() as store:
            return store.estimate(processor, size)
    except StoreError:
        return None
