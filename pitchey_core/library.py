"""Run a processor from a program or a notebook, without a store."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.from_thread
import anyio.to_thread

from pitchey_core.host import Host
from pitchey_core.order import JobOrder
from pitchey_core.payload import parse_payload
from pitchey_core.processor import Plan, Result
from pitchey_core.registry import Registry
from pitchey_core.slots import Outcome, Report, new_tag
from pitchey_core.storage import discard_stale

__all__ = ["ProgressCallback", "arun", "plan", "run"]

ProgressCallback = Callable[[float | None, str | None, Mapping[str, Any]], None]


def run(
    processor: str,
    payload: Mapping[str, Any] | None = None,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    on_progress: ProgressCallback | None = None,
    isolation: Literal["process", "none"] = "process",
    check: bool = True,
    registry: Registry | None = None,
    **fields: Any,
) -> Result[Any]:
    """Run one job here and now, under the same limits as in the runner, and wait for its result.

    ::

        result = pitchey_core.run("video", input_url="clip.mov", quality="720p", output="out/")
        result.artifacts[0].uri, result.facts, result.cost_usd

    Works inside a notebook's running event loop, too.

    Args:
        processor: Name or alias.
        payload: The payload as a mapping; ``fields`` are merged over it.
        output: Folder (path or URL) to publish the outputs in.
        overwrite: Replace outputs that are there already.
        on_progress: Called with the fraction done, a message and further figures.
        isolation: ``"process"`` runs the job in a supervised child process; ``"none"`` in this one, without
            memory and wall limits: for debuggers.
        check: Raise the job's error. With ``False`` it is in ``result.error``.
        registry: The plugins to use; default: all installed ones.

    Raises:
        UnknownName, UsageError: There is no such processor, or the payload is wrong.
        PitcheyError: What the job ended with, unless ``check`` is false.
    """
    call = partial(
        arun,
        processor,
        payload,
        output=output,
        overwrite=overwrite,
        on_progress=on_progress,
        isolation=isolation,
        check=check,
        registry=registry,
        **fields,
    )
    with anyio.from_thread.start_blocking_portal() as portal:
        return portal.call(call)


async def arun(
    processor: str,
    payload: Mapping[str, Any] | None = None,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    on_progress: ProgressCallback | None = None,
    isolation: Literal["process", "none"] = "process",
    check: bool = True,
    registry: Registry | None = None,
    **fields: Any,
) -> Result[Any]:
    """The same as :func:`run`, awaited."""
    registry = registry or Registry.load()
    host = Host.from_settings(registry)
    base = Path(tempfile.mkdtemp(prefix="pitchey-"))
    order = None
    try:
        order = host.order(
            processor,
            {**(payload or {}), **fields},
            job_id=str(uuid.uuid4()),
            base_dir=base,
            output=output,
            overwrite=overwrite,
        )
        if isolation == "none":
            outcome = await anyio.to_thread.run_sync(partial(_in_process, registry, order, on_progress))
        else:
            outcome = await _in_slot(host, order, on_progress)
        result = await anyio.to_thread.run_sync(partial(host.conclude, outcome))
    finally:
        shutil.rmtree(base, ignore_errors=True)
        if order is not None and order.output is not None:
            # A process that was killed could not remove what it had staged, and nobody will publish it.
            discard_stale(order.output, order.key, own=True)
    if check and result.error is not None:
        raise result.error
    return result


async def _in_slot(host: Host, order: JobOrder, on_progress: ProgressCallback | None) -> Outcome:
    def report(progress: Report) -> None:
        if on_progress is not None and progress.key is not None:
            on_progress(progress.fraction, progress.message, progress.figures or {})

    slot = await host.executor().open_slot(new_tag(order.job_id))
    try:
        (outcome,) = await slot.run([order], report)
    finally:
        await slot.close()
    return outcome


def _in_process(registry: Registry, order: JobOrder, on_progress: ProgressCallback | None) -> Outcome:
    from pitchey_core.context import JobContext
    from pitchey_core.slots.attempt import attempt

    job = JobContext(order, registry=lambda: registry, report=on_progress)
    done = attempt(order, registry.processor(order.spec.name), job)
    return Outcome(order, done.facts, done.manifest, done.usage, done.error, None)


def plan(
    processor: str,
    payload: Mapping[str, Any] | None = None,
    *,
    output: str | Path | None = None,
    registry: Registry | None = None,
    **fields: Any,
) -> Plan:
    """What a job would do, with predicted time, size and cost, without doing it.

    Raises:
        UsageError: The processor does not plan.
        InputError: The input cannot be read.
    """
    from pitchey_core.context import JobContext
    from pitchey_core.errors import UsageError
    from pitchey_core.pricing import Usage, format_usd
    from pitchey_core.processor import PlanningProcessor

    registry = registry or Registry.load()
    host = Host.from_settings(registry)
    planner = registry.processor(processor)
    if not isinstance(planner, PlanningProcessor):
        raise UsageError(f"processor {planner.spec.name!r} cannot say beforehand what it would do")
    base = Path(tempfile.mkdtemp(prefix="pitchey-"))
    try:
        order = host.order(
            processor, {**(payload or {}), **fields}, job_id=str(uuid.uuid4()), base_dir=base, output=output
        )
        job = JobContext(order, registry=lambda: registry)
        planned = planner.plan(parse_payload(planner.payload_model, order.payload), job)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if planned.cost_usd is None and planned.wall_seconds is not None:
        usage = Usage(
            wall_us=int(planned.wall_seconds * 1e6),
            cpu_us=int((planned.cpu_seconds or 0.0) * 1e6),
            bytes_out=planned.output_bytes or 0,
        )
        planned = planned.model_copy(update={"cost_usd": format_usd(host.price(usage, order.limits))})
    return planned
