"""``pitchey-run PROCESSOR``: one job, here and now."""

from __future__ import annotations

from pathlib import Path

import anyio
import click

from pitchey_core.errors import error_from_record
from pitchey_core.library import plan
from pitchey_runner.cli.failures import INTERRUPTED
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.jobs import show_result
from pitchey_runner.cli.render.output import write_json
from pitchey_runner.cli.render.plans import show_plan
from pitchey_runner.cli.render.progress import progress_bars
from pitchey_runner.cli.requests import request_from
from pitchey_runner.submission import new_job, result_of
from pitchey_runner.supervisor import Supervisor

__all__ = ["run_verb"]


def run_verb(ctx: click.Context, processor: str) -> int:
    """Run one job and show its result."""
    invocation = ctx.ensure_object(Invocation)
    request = request_from(ctx, processor)
    if ctx.params["dry_run"]:
        planned = plan(processor, request.payload, output=request.output, registry=invocation.registry)
        if invocation.as_json:
            write_json(planned.model_dump(mode="json"))
        else:
            show_plan(planned)
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
        show_result(result, wall_seconds=record.processing_time_seconds)
    if result["status"] == "completed":
        return 0
    if supervisor.interrupted:
        return INTERRUPTED
    return error_from_record(record.error).exit_code if record.error else 1
