"""Schedules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pitchey_runner.cli.render.output import write_json, write_table
from pitchey_runner.cli.render.units import local_time
from pitchey_runner.store.interface import ScheduleRecord

__all__ = ["show_schedules"]


def show_schedules(schedules: Sequence[ScheduleRecord], *, as_json: bool) -> None:
    """One line for each."""
    if as_json:
        for each in schedules:
            write_json(_record(each))
        return
    write_table(
        ["name", "cron", "zone", "type", "next", "last", "last job"],
        [
            (
                each.schedule.name,
                each.schedule.cron,
                each.schedule.timezone,
                each.schedule.template.type,
                local_time(each.next_fire_at) if each.schedule.enabled else "paused",
                local_time(each.last_fire_at),
                each.last_job_id,
            )
            for each in schedules
        ],
        empty="there are no schedules",
    )


def _record(each: ScheduleRecord) -> dict[str, Any]:
    schedule = each.schedule
    return {
        "name": schedule.name,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "missed": schedule.missed.value,
        "enabled": schedule.enabled,
        "type": schedule.template.type,
        "payload": schedule.template.payload,
        "output": schedule.template.output,
        "next_fire_at": each.next_fire_at.isoformat() if schedule.enabled else None,
        "last_fire_at": None if each.last_fire_at is None else each.last_fire_at.isoformat(),
        "last_job_id": each.last_job_id,
    }
