"""Between rows and records: times are integer microseconds in the file, JSON is text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pitchey_core.fast_json import read_json, write_json
from pitchey_core.pricing import Usage
from pitchey_runner.store.records import (
    Attempt,
    AttemptOutcome,
    Claim,
    ClaimedJob,
    JobEvent,
    JobRecord,
    JobState,
    Priority,
    WorkerInfo,
    WorkerRecord,
)
from pitchey_runner.store.room import Room
from pitchey_runner.store.sql.connection import Row

__all__ = [
    "MICROS",
    "as_attempt",
    "as_claimed",
    "as_event",
    "as_record",
    "as_worker",
    "by_name",
    "from_json",
    "micros",
    "moment",
    "printable",
    "span",
    "to_json",
]

MICROS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode = json.JSONEncoder(separators=(",", ":")).encode


def micros(at: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (at - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """The inverse of :func:`micros`."""
    return _EPOCH + timedelta(microseconds=at)


def _moment_or_none(at: int | None) -> datetime | None:
    return None if at is None else moment(at)


def span(seconds: float) -> int:
    """A duration in microseconds; never negative."""
    return max(0, round(seconds * MICROS))


def to_json(value: Any) -> str | None:
    """Compact JSON, all of it ASCII; ``None`` stays ``None``."""
    if value is None:
        return None
    text = write_json(value)
    return text.decode() if text.isascii() else _encode(value)


def from_json(text: str | None) -> Any:
    """The inverse of :func:`to_json`."""
    return None if text is None else read_json(text)


def printable(text: str | None) -> str | None:
    """Text that can be stored: a tool's message may hold bytes that were never UTF-8."""
    return None if text is None else text.encode(errors="replace").decode()


def by_name(rows: Sequence[Any]) -> Sequence[dict[str, Any]]:
    """Rows of one answer as dictionaries: a row of SQLite's looks a name up along all of its columns."""
    if not rows or isinstance(rows[0], dict):
        return rows
    names = rows[0].keys()
    return [dict(zip(names, row, strict=True)) for row in rows]


def as_claimed(row: Row) -> ClaimedJob:
    return ClaimedJob(
        claim=Claim(row["id"], row["claim_seq"]),
        type=row["type"],
        payload=read_json(row["payload"]),
        priority=Priority(row["priority"]),
        output=row["output"],
        overwrite=bool(row["overwrite"]),
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        instance_type=row["instance_type"],
        wall_limit=row["wall_limit"],
        batch_id=row["batch_id"],
        lease_until=moment(row["lease_until"]),
        created_at=moment(row["created_at"]),
        manifest=from_json(row["manifest"]),
        settlement=from_json(row["settlement"]),
        memory_factor=row["memory_factor"],
        lost_count=row["lost_count"],
        pause_requested=bool(row["pause_requested"]),
        trace_parent=row["trace_parent"],
    )


def as_record(row: Row) -> JobRecord:
    processing = row["processing_us"]
    return JobRecord(
        id=row["id"],
        type=row["type"],
        payload=json.loads(row["payload"]),
        priority=Priority(row["priority"]),
        status=JobState(row["state"]),
        created_at=moment(row["created_at"]),
        run_at=moment(row["run_at"]),
        started_at=_moment_or_none(row["started_at"]),
        completed_at=_moment_or_none(row["completed_at"]),
        worker_id=row["worker_id"],
        retry_count=max(0, row["attempt"] - 1),
        lost_count=row["lost_count"],
        max_attempts=row["max_attempts"],
        claim_seq=row["claim_seq"],
        progress=row["progress"],
        message=row["message"],
        result=from_json(row["result"]),
        error=from_json(row["error"]),
        output=row["output"],
        overwrite=bool(row["overwrite"]),
        batch_id=row["batch_id"],
        item_key=row["item_key"],
        instance_type=row["instance_type"],
        wall_limit=row["wall_limit"],
        plugin_version=row["plugin_version"],
        organization_id=row["organization_id"],
        submitted_by=row["submitted_by"],
        cancel_requested=bool(row["cancel_requested"]),
        pause_requested=bool(row["pause_requested"]),
        hold=row["hold"],
        unique_key=row["unique_key"],
        concurrency_key=row["concurrency_key"],
        schedule=row["schedule"],
        input_bytes=row["input_bytes"],
        trace_parent=row["trace_parent"],
        processing_time_seconds=None if processing is None else processing / MICROS,
        cost_nanos=row["cost_nanos"],
    )


def as_attempt(row: Row) -> Attempt:
    return Attempt(
        number=row["number"],
        claim_seq=row["claim_seq"],
        worker_id=row["worker_id"],
        started_at=moment(row["started_at"]),
        ended_at=_moment_or_none(row["ended_at"]),
        outcome=None if row["outcome"] is None else AttemptOutcome(row["outcome"]),
        error=from_json(row["error"]),
        usage=None if row["usage"] is None else Usage.from_record(json.loads(row["usage"])),
        cost_nanos=row["cost_nanos"],
        log_path=row["log_path"],
        reserved_memory_bytes=row["reserved_memory_bytes"],
        enforced_by=row["enforced_by"],
    )


def as_event(row: Row) -> JobEvent:
    return JobEvent(
        seq=row["seq"],
        job_id=row["job_id"],
        at=moment(row["at"]),
        kind=row["kind"],
        state=JobState(row["state"]),
        data=from_json(row["data"]),
    )


def as_worker(row: Row) -> WorkerRecord:
    info = WorkerInfo(
        id=row["id"],
        host=row["host"],
        boot_id=row["boot_id"],
        pid=row["pid"],
        pid_started=row["pid_started"],
        pid_namespace=row["pid_namespace"],
        types=tuple(json.loads(row["types"])),
        lease_seconds=row["lease_seconds"],
    )
    return WorkerRecord(
        info=info,
        registered_at=moment(row["registered_at"]),
        seen_at=moment(row["seen_at"]),
        active_jobs_count=row["active_jobs_count"],
        cpu_usage_percent=row["cpu_usage_percent"],
        memory_usage_percent=row["memory_usage_percent"],
        room=None if row["room"] is None else Room.from_record(json.loads(row["room"])),
    )
