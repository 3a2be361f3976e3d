"""The reference model's schedules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pitchey_core.errors import BudgetExceeded
from pitchey_runner.store.firing import fire_times, first_fire, job_from, job_of, template_of
from pitchey_runner.store.interface import NewJob, NewSchedule, ScheduleRecord
from pitchey_runner.testing.store_model_dependencies import ModelDependencies

__all__ = ["ModelSchedules"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ModelSchedules(ModelDependencies):
    """Fires by enqueueing."""

    def set_schedule(self, schedule: NewSchedule) -> None:
        with self._guard:
            schedule = replace(schedule, template=job_from(template_of(schedule.template)))
            at = _moment(first_fire(schedule.cron, schedule.timezone, self._clock()))
            record = self._schedules.get(schedule.name) or ScheduleRecord(schedule, at, None, None)
            before = record.schedule
            if before.enabled and (before.cron, before.timezone) == (schedule.cron, schedule.timezone):
                at = record.next_fire_at
            self._schedules[schedule.name] = replace(record, schedule=schedule, next_fire_at=at)

    def remove_schedule(self, name: str) -> bool:
        with self._guard:
            return self._schedules.pop(name, None) is not None

    def enable_schedule(self, name: str, *, enabled: bool) -> bool:
        with self._guard:
            record = self._schedules.get(name)
            if record is None or record.schedule.enabled == enabled:
                return record is not None
            schedule = replace(record.schedule, enabled=enabled)
            at = first_fire(schedule.cron, schedule.timezone, self._clock())
            self._schedules[name] = replace(record, schedule=schedule, next_fire_at=_moment(at))
            return True

    def schedules(self) -> list[ScheduleRecord]:
        with self._guard:
            return [self._schedules[name] for name in sorted(self._schedules)]

    def fire_schedules(self) -> list[str]:
        with self._guard:
            fired: list[str] = []
            for record in self.schedules():
                due = (record.next_fire_at - _EPOCH) // timedelta(microseconds=1)
                if not record.schedule.enabled or due > self._clock():
                    continue
                fire_at, after = fire_times(record.schedule, due, self._clock())
                record = replace(record, next_fire_at=_moment(after))
                if fire_at is not None:
                    template = template_of(record.schedule.template)
                    job = job_of(template, record.schedule.name, fire_at)
                    answer = self._enqueue_fired(job)
                    if answer == job.id:
                        fired.append(job.id)
                    record = replace(record, last_fire_at=_moment(fire_at), last_job_id=answer)
                self._schedules[record.schedule.name] = record
            return fired

    def _enqueue_fired(self, job: NewJob) -> str | None:
        if job.id in self._jobs:
            return None
        try:
            (answer,) = self.enqueue([job])
        except BudgetExceeded:
            return None
        return answer


def _moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)
