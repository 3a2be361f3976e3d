"""When schedules fire, and the jobs that they enqueue. Microseconds since 1970 UTC.

Cron's calendar with its special days is left to cronsim, which follows Debian's cron: a job of a fixed hour runs
once on the days when the clock is changed, one of every hour as often as there are hours.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pitchey_core.errors import UsageError
from pitchey_runner.store.new_job import NewJob, Priority, RateLimit, Unique
from pitchey_runner.store.queue_records import Missed, NewSchedule

__all__ = ["PUNCTUAL_MICROS", "fire_times", "first_fire", "job_from", "job_of", "template_of"]

PUNCTUAL_MICROS = 60_000_000
"""A fire time that is longer ago than this was missed."""

_OURS = uuid.UUID("5f0ee8a5-6c3a-4f86-9a54-3d4f3a1f6f0e")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = 5
_SHORTHAND = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def first_fire(cron: str, timezone: str, after: int) -> int:
    """The first fire time after a moment.

    Raises:
        UsageError: The expression or the time zone is none, or the expression never comes true.
    """
    from cronsim import CronSim, CronSimError

    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"there is no time zone {timezone!r}", remedy="use an IANA name such as Europe/Berlin, or UTC"
        ) from None
    start = (_EPOCH + timedelta(microseconds=after)).astimezone(zone)
    fields = _SHORTHAND.get(cron, cron)
    # A sixth would be seconds, which nobody looks at often enough.
    if len(fields.split()) != _FIELDS:
        raise _no_expression(cron, "Wrong number of fields")
    try:
        fires = CronSim(fields, start)
    except CronSimError as error:
        raise _no_expression(cron, error) from None
    for each in fires:
        fire = (each.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
        # In an hour that comes twice, a fixed time of it is that of the first, which may have passed.
        if fire > after:
            return fire
    raise UsageError(f"the cron expression {cron!r} never comes true")


def _no_expression(cron: str, why: object) -> UsageError:
    return UsageError(
        f"{cron!r} is no cron expression: {why}",
        remedy="write five fields: minute hour day month weekday, such as '30 2 * * *' for half past two",
    )


def fire_times(schedule: NewSchedule, due: int, now: int) -> tuple[int | None, int]:
    """The fire time to enqueue a job for, if any, and the next one after ``now``.

    Args:
        due: The fire time that has come.
    """
    late = now - PUNCTUAL_MICROS
    last = due
    if last <= late:
        # Most of what was missed is skipped at one go; the last of it is what a run once would stand for.
        last = _last_before(schedule, due, now)
    wanted = last >= late or schedule.missed is Missed.ONCE
    return last if wanted else None, first_fire(schedule.cron, schedule.timezone, now)


def _last_before(schedule: NewSchedule, due: int, now: int) -> int:
    """The last fire time up to ``now``; ``due`` is one before it."""
    span = PUNCTUAL_MICROS
    while now - span > due:
        found = first_fire(schedule.cron, schedule.timezone, now - span)
        if found <= now:
            break
        span *= 2
    else:
        found = due
    while (later := first_fire(schedule.cron, schedule.timezone, found)) <= now:
        found = later
    return found


def template_of(job: NewJob) -> dict[str, Any]:
    """A job as JSON data, without what each one has of its own.

    Raises:
        ValueError: It depends on other jobs, or is an item of a batch.
    """
    if job.depends_on or job.item_key is not None:
        raise ValueError("a scheduled job depends on no other, and is no item of a batch")
    record = asdict(job)
    for own in ("id", "depends_on", "item_key", "schedule", "fire_at", "trace_parent"):
        del record[own]
    return record


def job_of(template: Mapping[str, Any], schedule: str, fire_at: int) -> NewJob:
    """The job that a template stands for at a fire time. Its id follows from both, so it cannot come twice."""
    job_id = str(uuid.uuid5(_OURS, f"{schedule}\n{fire_at}"))
    return replace(job_from(template), id=job_id, schedule=schedule, fire_at=fire_at)


def job_from(template: Mapping[str, Any]) -> NewJob:
    """The inverse of :func:`template_of`."""
    unique, rate = template.get("unique"), template.get("rate")
    return NewJob(
        **{
            **template,
            "priority": Priority(template["priority"]),
            "unique": None if unique is None else Unique(**unique),
            "rate": None if rate is None else RateLimit(**rate),
            "id": "template",
        }
    )
