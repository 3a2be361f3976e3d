"""Workers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pitchey_runner.cli.render.output import write_json, write_table
from pitchey_runner.cli.render.units import local_time, seconds
from pitchey_runner.store.interface import WorkerRecord

__all__ = ["show_workers"]


def show_workers(workers: Sequence[WorkerRecord], now: datetime, *, as_json: bool) -> None:
    """One line for each."""
    if as_json:
        for each in workers:
            write_json(_record(each, now))
        return
    write_table(
        ["worker", "host", ">pid", "status", ">jobs", ">cpu", ">memory", ">heard of", "since", "types"],
        [
            (
                each.info.id[:8],
                each.info.host,
                each.info.pid,
                _status(each, now),
                each.active_jobs_count,
                _percent(each.cpu_usage_percent),
                _percent(each.memory_usage_percent),
                f"{seconds(_silence(each, now))} ago",
                local_time(each.registered_at),
                " ".join(each.info.types),
            )
            for each in workers
        ],
        empty="nobody works: pitchey-run work does",
    )


def _record(each: WorkerRecord, now: datetime) -> dict[str, Any]:
    return {
        "id": each.info.id,
        "host": each.info.host,
        "pid": each.info.pid,
        "types": list(each.info.types),
        "status": _status(each, now),
        "active_jobs_count": each.active_jobs_count,
        "cpu_usage_percent": each.cpu_usage_percent,
        "memory_usage_percent": each.memory_usage_percent,
        "registered_at": each.registered_at.isoformat(),
        "seen_at": each.seen_at.isoformat(),
        "heartbeat_age_seconds": _silence(each, now),
        "lease_seconds": each.info.lease_seconds,
    }


def _silence(each: WorkerRecord, now: datetime) -> float:
    return max(0.0, (now - each.seen_at).total_seconds())


def _status(each: WorkerRecord, now: datetime) -> str:
    if _silence(each, now) > each.info.lease_seconds:
        return "lost"
    return "busy" if each.active_jobs_count else "idle"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} %"
