"""One attempt of a job, or of a batch, from its payload to its staged outputs or its error."""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import json
import os
import resource
import time
import traceback
from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from pitchey_core.context import AsyncJobContext, JobContext
from pitchey_core.errors import (
    Cancelled,
    LimitExceeded,
    OutOfSpace,
    PartialFailure,
    PitcheyError,
    ProcessorError,
    ToolFailed,
)
from pitchey_core.order import JobOrder
from pitchey_core.payload import parse_payload
from pitchey_core.pricing import Usage
from pitchey_core.processor import MAX_FACTS_BYTES, AnyProcessor, BatchProcessor, Facts

__all__ = ["Attempted", "attempt", "attempt_batch"]


_MAX_MESSAGE: Final = 2000
_NOTHING: Final = Usage()
# Once for each processor, and not for each of its jobs.
_is_async = functools.lru_cache(maxsize=None)(inspect.iscoroutinefunction)
_strict_json = json.JSONEncoder(allow_nan=False).encode


class Attempted:
    """What one attempt left: facts and staged outputs, or an error, and what it used."""

    def __init__(self, order: JobOrder, job: JobContext | None) -> None:
        self.order = order
        self.job = job
        self.facts: dict[str, Any] | None = None
        self.manifest: dict[str, Any] | None = None
        self.error: PitcheyError | None = None
        self.usage = _NOTHING

    def as_frame(self) -> dict[str, Any]:
        return {
            "kind": "done",
            "key": self.order.key,
            "facts": self.facts,
            "manifest": self.manifest,
            "usage": self.usage.as_record(),
            "error": self.error.as_record() if self.error else None,
            "log_path": None,
        }


def attempt(order: JobOrder, processor: AnyProcessor, job: JobContext) -> Attempted:
    """Run one job to its staged end. Nothing is raised: errors are part of the answer."""
    done = Attempted(order, job)
    meter = _Meter()
    try:
        job.check()
        payload = parse_payload(processor.payload_model, order.payload)
        facts: Any
        if _is_async(processor.process):
            facts = _run_async(processor, payload, job)
        else:
            facts = processor.process(payload, job)
        job.check()
        _conclude(done, processor, facts)
    except BaseException as error:  # noqa: BLE001 - a processor may raise anything; it becomes the job's error
        _conclude_error(done, processor, _as_pitchey_error(error, order, job))
    done.usage = meter.usage(job)
    _clean_up(done)
    return done


def attempt_batch(
    orders: Sequence[JobOrder], processor: AnyProcessor, jobs: Sequence[JobContext]
) -> list[Attempted]:
    """Run the jobs of a batch in one call; what the call used is split evenly over them."""
    if not isinstance(processor, BatchProcessor):
        raise TypeError(f"{processor.spec.name} does not take batches")
    done = [Attempted(order, job) for order, job in zip(orders, jobs, strict=True)]
    meter = _Meter()
    try:
        payloads = [parse_payload(processor.payload_model, order.payload) for order in orders]
        answers = processor.process_batch(payloads, jobs)
        for each, answer in zip(done, answers, strict=True):
            _conclude_member(each, processor, answer)
    except BaseException as error:  # noqa: BLE001 - as in `attempt`
        for each in done:
            if each.facts is None and each.error is None and each.job is not None:
                _conclude_error(each, processor, _as_pitchey_error(error, each.order, each.job))
    shares = meter.usage(*jobs).split(len(done))
    for each, share in zip(done, shares, strict=True):
        each.usage = share
        _clean_up(each)
    return done


def _conclude_member(done: Attempted, processor: AnyProcessor, answer: object) -> None:
    """A member whose answer is wrong fails alone."""
    assert done.job is not None
    if isinstance(answer, PitcheyError):
        _conclude_error(done, processor, _as_pitchey_error(answer, done.order, done.job))
        return
    try:
        _conclude(done, processor, answer)
    except Exception as error:  # noqa: BLE001 - as in `attempt`
        _conclude_error(done, processor, _as_pitchey_error(error, done.order, done.job))


def _conclude(done: Attempted, processor: AnyProcessor, facts: object) -> None:
    if not isinstance(facts, Facts):
        raise TypeError(
            f"process() of {processor.spec.name!r} returned {type(facts).__name__}, not its Facts model"
        )
    data = facts.model_dump(mode="json")
    _check_facts(processor, data)
    assert done.job is not None
    if done.job.has_artifacts:
        done.manifest = done.job.stage.seal().as_record()
    done.facts = data


def _check_facts(processor: AnyProcessor, data: dict[str, Any]) -> None:
    """Whoever gets the result reads the facts into the model; what it cannot read shall fail here."""
    try:
        size = len(_strict_json(data))
    except (TypeError, ValueError) as error:
        raise ProcessorError(
            f"the facts of processor {processor.spec.name!r} are not JSON: {error}"
        ) from None
    if size > MAX_FACTS_BYTES:
        raise LimitExceeded(
            f"the facts of the job are {size} bytes of JSON; the most is {MAX_FACTS_BYTES}",
            limit="facts",
            remedy="write large data to an artifact",
        )
    try:
        processor.facts_model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise ProcessorError(
            f"the facts of processor {processor.spec.name!r} are not what {processor.facts_model.__name__} reads: "
            f"{field}: {first['msg']}"
        ) from None


def _conclude_error(done: Attempted, processor: AnyProcessor, error: PitcheyError) -> None:
    done.error = error
    if isinstance(error, PartialFailure) and done.job is not None:
        try:
            _check_facts(processor, error.facts)
            if done.job.has_artifacts:
                done.manifest = done.job.stage.seal().as_record()
            done.facts = error.facts
        except PitcheyError as second:
            done.error = second


def _clean_up(done: Attempted) -> None:
    if done.job is not None and done.manifest is None:
        done.job.discard()


def _as_pitchey_error(error: BaseException, order: JobOrder, job: JobContext) -> PitcheyError:
    if isinstance(error, PitcheyError):
        job.log.info("%s: %s", type(error).__name__, error)
        if isinstance(error, ToolFailed) and error.stderr_tail:
            job.log.info("what %s wrote:\n%s", error.tool, error.stderr_tail)
        return error
    if job.cancelled:
        return Cancelled(f"job {order.job_id} was cancelled")
    with contextlib.suppress(Exception):  # Its own __str__ may raise.
        job.log.error("%s", "".join(traceback.format_exception(error)))
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return OutOfSpace(
            f"the disk is full: {error.filename or order.output}", remedy="free some space, then retry"
        )
    if isinstance(error, MemoryError):
        return LimitExceeded("the processor ran out of memory", limit="memory")
    return ProcessorError(
        f"processor {order.spec.name!r} raised {type(error).__name__}: {_words(error)}",
        remedy=f"pitchey-run logs {order.job_id} shows where",
    )


def _words(error: BaseException) -> str:
    """What an exception says, as far as it can say it and anybody would read it."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - a foreign __str__
        return "(its message cannot be shown)"
    return words if len(words) <= _MAX_MESSAGE else words[:_MAX_MESSAGE] + " …"


def _run_async(processor: AnyProcessor, payload: Any, job: JobContext) -> Any:
    import anyio  # only async processors need it

    async def main() -> Any:
        result: Any = None
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                while not job.cancelled:  # noqa: ASYNC110 - a signal handler sets it; no event can wait for that
                    await anyio.sleep(0.1)
                group.cancel_scope.cancel()

            group.start_soon(watch)
            result = await processor.process(payload, AsyncJobContext(job))
            group.cancel_scope.cancel()
        job.check()
        return result

    try:
        return anyio.run(main)
    except BaseExceptionGroup as group:
        # The watcher raises nothing, so there is one error: the processor's.
        raise group.exceptions[0] from group


class _Meter:
    """CPU time and memory from here on; memory by the high-water mark that it resets (see proc(5), clear_refs)."""

    def __init__(self) -> None:
        self._resettable = _reset_high_water()
        self._wall = time.monotonic_ns()
        self._cpu = _cpu_us()

    def usage(self, *jobs: JobContext) -> Usage:
        wall = (time.monotonic_ns() - self._wall) // 1000
        own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if self._resettable else 0
        children = max((job.children_peak_bytes for job in jobs), default=0)
        return Usage(
            wall_us=wall,
            # A launcher that stays warm is not waited for, so the kernel does not add up what ran in its sandboxes.
            cpu_us=_cpu_us() - self._cpu + sum(job.sandbox_cpu_us for job in jobs),
            peak_memory_bytes=max(own_peak, children),
            memory_method="self",
            bytes_in=sum(job.bytes_in for job in jobs),
        )


def _cpu_us() -> int:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time_ns() // 1000 + int((children.ru_utime + children.ru_stime) * 1e6)


def _reset_high_water() -> bool:
    """In a process that was forked and never executed a program, ``ru_maxrss`` is this very mark."""
    try:
        os.pwrite(_clear_refs(os.getpid()), b"5", 0)
    except OSError:
        return False
    return True


@functools.lru_cache(maxsize=1)
def _clear_refs(_pid: int) -> int:
    """Kept open, since it is written for each job; a forked process opens its own."""
    return os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
