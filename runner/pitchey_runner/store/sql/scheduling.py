"""Transactions of schedules.

Every function here runs inside the store's transaction; ``now`` is in microseconds.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from pitchey_core.errors import BudgetExceeded, UsageError
from pitchey_runner.store.firing import fire_times, first_fire, job_from, job_of, template_of
from pitchey_runner.store.queue_records import Missed, NewSchedule, ScheduleRecord
from pitchey_runner.store.records import NewJob
from pitchey_runner.store.sql import money_statements as statements
from pitchey_runner.store.sql.connection import SqlConnection
from pitchey_runner.store.sql.producing import enqueue, prepare
from pitchey_runner.store.sql.rows import moment, to_json
from pitchey_runner.store.sql.statements import STATE_OF

__all__ = ["as_schedule", "enable_schedule", "fire_schedules", "remove_schedule", "set_schedule"]

_log = logging.getLogger(__name__)


def as_schedule(row: Any) -> ScheduleRecord:
    schedule = NewSchedule(
        name=row["name"],
        cron=row["cron"],
        template=job_from(json.loads(row["template"])),
        timezone=row["timezone"],
        missed=Missed(row["missed"]),
        enabled=bool(row["enabled"]),
    )
    last = row["last_fire_at"]
    return ScheduleRecord(
        schedule, moment(row["next_fire_at"]), None if last is None else moment(last), row["last_job_id"]
    )


def set_schedule(connection: SqlConnection, now: int, schedule: NewSchedule) -> None:
    row = {
        "name": schedule.name,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "missed": schedule.missed.value,
        "enabled": int(schedule.enabled),
        "template": to_json(template_of(schedule.template)),
        "now": now,
        "next_fire_at": first_fire(schedule.cron, schedule.timezone, now),
    }
    connection.execute(statements.SET_SCHEDULE, row)


def remove_schedule(connection: SqlConnection, _now: int, name: str) -> bool:
    return connection.execute(statements.REMOVE_SCHEDULE, {"name": name}).rowcount > 0


def enable_schedule(connection: SqlConnection, now: int, name: str, enabled: bool) -> bool:
    row = connection.execute(statements.SCHEDULE, {"name": name}).fetchone()
    if row is None or bool(row["enabled"]) == enabled:
        # As it is already: a time that has come, and was not seen to yet, must not be passed over.
        return row is not None
    fire_at = first_fire(row["cron"], row["timezone"], now)
    named = {"name": name, "enabled": int(enabled), "next_fire_at": fire_at}
    connection.execute(statements.ENABLE_SCHEDULE, named)
    return True


def fire_schedules(connection: SqlConnection, now: int) -> list[str]:
    fired = []
    for row in connection.execute(statements.DUE_SCHEDULES, {"now": now}).fetchall():
        try:
            schedule = as_schedule(row).schedule
            fire_at, after = fire_times(schedule, row["next_fire_at"], now)
        except UsageError as error:
            # A time zone that this host does not know, for one: the others' times have come all the same.
            _log.warning("schedule %s cannot fire here: %s", row["name"], error)
            continue
        named = {"name": schedule.name, "due": row["next_fire_at"], "next_fire_at": after, "fire_at": fire_at}
        if connection.execute(statements.ADVANCE_SCHEDULE, named).rowcount == 0 or fire_at is None:
            continue
        job = job_of(json.loads(row["template"]), schedule.name, fire_at)
        answer = _enqueue(connection, now, job)
        connection.execute(statements.NOTE_FIRED, {**named, "job_id": answer})
        if answer == job.id:
            fired.append(answer)
    return fired


def _enqueue(connection: SqlConnection, now: int, job: NewJob) -> str | None:
    if connection.execute(STATE_OF, {"id": job.id}).fetchone() is not None:
        return None
    try:
        (answer,) = enqueue(connection, now, prepare([job], None), None)
    except BudgetExceeded:
        return None
    return answer
