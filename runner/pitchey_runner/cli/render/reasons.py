"""Why a job waits, in words, and when it may begin."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import click

from pitchey_core.pricing import format_usd
from pitchey_core.resources import GIB
from pitchey_runner.cli.render.output import write_json, write_pairs
from pitchey_runner.cli.render.units import dollars, local_time, seconds
from pitchey_runner.cli.text import printable
from pitchey_runner.store.interface import ALL_QUEUES, Explanation, JobRecord, JobState, Reason, ReasonKind

__all__ = ["expected_start", "in_words", "show_reasons"]

_SOMEBODY_ACTS = frozenset(
    {ReasonKind.QUEUE_PAUSED, ReasonKind.JOB_PAUSED, ReasonKind.NO_WORKER, ReasonKind.DEPENDENCY}
)
"""Reasons that no clock ends."""
_ROOM = frozenset({ReasonKind.RESOURCES, ReasonKind.SLOTS})
_HOLDERS_SHOWN = 3


def show_reasons(
    explanation: Explanation, job: JobRecord, now: datetime, *, slots: int | None, as_json: bool
) -> None:
    """Every reason with what helps, and the expected start.

    Args:
        slots: Most jobs of the queue at a time on one host, where the workers have not said how many there are;
            ``None``: not known here.
    """
    start = expected_start(explanation, now, slots=slots)
    if as_json:
        record = explanation.as_record()
        words = [in_words(each, job) for each in explanation.reasons]
        for reason, (what, remedy) in zip(record["reasons"], words, strict=True):
            reason["message"], reason["remedy"] = what, remedy
        eta = None if start is None else max(0.0, (start - now).total_seconds())
        write_json({**record, "eta_seconds": eta})
        return
    click.echo(f"{job.type} job {job.id} {_state(explanation, job)}")
    for reason in explanation.reasons:
        what, remedy = in_words(reason, job)
        click.echo(f"• {printable(what)}")
        if remedy:
            click.echo(f"  → {printable(remedy)}")
    typical = explanation.typical
    write_pairs(
        [
            ("may begin", _when(start, now) if explanation.reasons else None),
            ("typical time", None if typical is None else seconds(typical.wall_seconds.p50)),
        ]
    )


def expected_start(explanation: Explanation, now: datetime, *, slots: int | None) -> datetime | None:
    """When the job may begin; ``None``: that cannot be told, or not before somebody does something."""
    if any(each.kind in _SOMEBODY_ACTS for each in explanation.reasons):
        return None
    start = now
    for reason in explanation.reasons:
        if reason.kind is ReasonKind.BUDGET and reason.until is None:
            return None
        if reason.until is not None:
            start = max(start, reason.until)
        if reason.kind in _ROOM and reason.until is None:
            return None
        if reason.kind in {ReasonKind.POSITION, ReasonKind.CONCURRENCY, ReasonKind.QUEUE_LIMIT}:
            wait = _turn(explanation, reason, slots)
            if wait is None:
                return None
            # The room that the first in line waits for comes before their turns.
            room = max(
                (each.until for each in explanation.reasons if each.kind in _ROOM and each.until), default=now
            )
            start = max(start, room + timedelta(seconds=wait))
    return start


def _turn(explanation: Explanation, reason: Reason, slots: int | None) -> float | None:
    """Seconds until those before it have had their turn, at the pace of those before them."""
    before = reason.count or 0
    if reason.kind is not ReasonKind.POSITION:
        # Of those that run, each is half done on the average.
        rounds = 0.5
    else:
        at_once = explanation.slots or max(1, explanation.workers) * (slots or 1)
        # When those that run now make room, the reason that says so knows better.
        told = any(each.kind in _ROOM for each in explanation.reasons)
        busy = 0 if told else max(0, explanation.running - at_once + 1)
        rounds = math.ceil((before + busy) / at_once)
    if rounds == 0:
        return 0.0
    return None if explanation.typical is None else rounds * explanation.typical.wall_seconds.p50


def _state(explanation: Explanation, job: JobRecord) -> str:
    match JobState(explanation.state):
        case JobState.PROCESSING if _lost(explanation):
            return "has lost its worker"
        case JobState.PROCESSING if job.pause_requested:
            return "is frozen: pitchey-run resume lets it go on"
        case JobState.PROCESSING if explanation.reasons:
            return "is held by a worker that has no room for it yet"
        case JobState.PROCESSING:
            return "runs"
        case state if state.finished:
            return f"does not wait: it is {state.value}"
        case state:
            return f"waits ({state.value})"


def _lost(explanation: Explanation) -> bool:
    return any(each.kind is ReasonKind.WORKER_LOST for each in explanation.reasons)


def _when(start: datetime | None, now: datetime) -> str:
    if start is None:
        return "that cannot be told"
    wait = (start - now).total_seconds()
    return "now" if wait < 1 else f"in {seconds(wait)}, at {local_time(start)}"


def in_words(reason: Reason, job: JobRecord) -> tuple[str, str | None]:
    """A reason as a sentence, and the command that ends it, if there is one."""
    name, until = reason.name or "", local_time(reason.until)
    match reason.kind:
        case ReasonKind.DELAY:
            return f"it was submitted to run at {until}", None
        case ReasonKind.RETRY:
            return f"it has failed before and is tried again at {until}", f"pitchey-run logs {job.id}"
        case ReasonKind.DEPENDENCY:
            return f"it depends on job {name}, which is {reason.state}", f"pitchey-run why {name}"
        case ReasonKind.QUEUE_PAUSED:
            verb = "are" if name == ALL_QUEUES else "is"
            return f"{_queue(name)} {verb} paused", f"pitchey-run queues resume {_quoted(name)}"
        case ReasonKind.JOB_PAUSED:
            return "it is paused", f"pitchey-run resume {job.id}"
        case ReasonKind.BUDGET:
            spent, limit = (dollars(format_usd(each or 0)) for each in (reason.count, reason.limit))
            again = f"; the next period begins at {until}" if until else ""
            return f"the budget {name} is used up: {spent} of {limit}{again}", "pitchey-run budgets list"
        case ReasonKind.WORKER_LOST:
            return f"worker {name[:8]} is not heard of any more; another one takes the job over", None
        case ReasonKind.NO_WORKER:
            return f"no worker takes {name} jobs", "pitchey-run work"
        case ReasonKind.RESOURCES | ReasonKind.SLOTS:
            return _no_room(reason, name), None
        case _:
            return _others_first(reason, name, until)


def _no_room(reason: Reason, name: str) -> str:
    """What runs instead of it."""
    held_by = reason.held_by or ()
    shown = ", ".join(each[:8] for each in held_by[:_HOLDERS_SHOWN])
    more = f" and {len(held_by) - _HOLDERS_SHOWN} more" if len(held_by) > _HOLDERS_SHOWN else ""
    jobs = f"{'job' if len(held_by) == 1 else 'jobs'} {shown}{more}"
    if reason.kind is ReasonKind.SLOTS:
        slots = "the only slot" if reason.limit == 1 else f"all {reason.limit} slots"
        of = "" if name == ALL_QUEUES else f" of queue {name}"
        return f"{slots}{of} on {reason.host} {'works' if reason.limit == 1 else 'work'}: {jobs}"
    if name == "kept":
        return f"what is free on {reason.host} is kept for what has waited longer: {', '.join(held_by)}"
    wanted, free = (_measured(name, each or 0.0) for each in (reason.wanted, reason.free))
    holders = f": {jobs} {'has' if len(held_by) == 1 else 'have'} the rest" if held_by else ""
    return f"it wants {wanted}; {free} {'is' if name == 'memory' else 'are'} free on {reason.host}{holders}"


def _measured(resource: str, value: float) -> str:
    match resource:
        case "memory":
            return f"{value / GIB:.2f} GiB of memory"
        case "vcpus":
            return f"{value:g} vCPUs"
        case _:
            return f"{value:g} accelerators"


def _others_first(reason: Reason, name: str, until: str) -> tuple[str, str | None]:
    """Reasons that are other jobs."""
    count = reason.count or 0
    match reason.kind:
        case ReasonKind.CONCURRENCY:
            return f"{_run(count, f'with its key {name!r}')}; at most {reason.limit} may", None
        case ReasonKind.QUEUE_LIMIT:
            remedy = f"pitchey-run queues set {_quoted(name)} --max-running N"
            return f"{_run(count, f'of {_queue(name)}')}; at most {reason.limit} may", remedy
        case ReasonKind.RATE:
            return (
                f"the rate of {name if name != ALL_QUEUES else 'all queues'} lets the next job start at {until}",
                None,
            )
        case _ if not count:
            return "it is next in line", None
        case _:
            return f"{count} {'job stands' if count == 1 else 'jobs stand'} before it in line", None


def _run(count: int, which: str) -> str:
    return f"1 job {which} runs" if count == 1 else f"{count} jobs {which} run"


def _queue(name: str) -> str:
    return "all queues" if name == ALL_QUEUES else f"queue {name}"


def _quoted(name: str) -> str:
    return f"'{name}'" if name == ALL_QUEUES else name
