"""Jobs, their attempts and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import click

from pitchey_core.pricing import format_usd
from pitchey_core.storage import display
from pitchey_runner.cli.render.output import write_json, write_pairs, write_table
from pitchey_runner.cli.render.units import amount, dollars, local_time, seconds
from pitchey_runner.cli.text import printable
from pitchey_runner.store.interface import Attempt, JobRecord

__all__ = ["attempt_record", "input_name", "show_job", "show_jobs", "show_result"]


def attempt_record(number: int, attempt: Attempt) -> dict[str, Any]:
    """An attempt as JSON data.

    Args:
        number: From 1, in the order in which they began: that of the store begins anew when a job is retried by hand.
    """
    record: dict[str, Any] = {}
    for each in fields(attempt):
        value = getattr(attempt, each.name)
        record[each.name] = value.isoformat() if isinstance(value, datetime) else value
    record["number"] = number
    record["usage"] = attempt.usage.as_record() if attempt.usage else None
    record["cost_usd"] = format_usd(record.pop("cost_nanos"))
    return record


def input_name(payload: Mapping[str, Any]) -> str:
    """What a job works on, in a few words: the last part of its first URL."""
    for value in payload.values():
        if isinstance(value, str) and "://" in value[:12]:
            return display(value).rstrip("/").rpartition("/")[2]
    return ""


def show_jobs(records: Sequence[JobRecord], *, as_json: bool) -> None:
    """A list of jobs."""
    if as_json:
        for record in records:
            write_json(record.as_record())
        return
    rows = [
        (
            record.id[:8],
            record.type,
            record.status.value,
            input_name(record.payload),
            local_time(record.created_at),
            seconds(record.processing_time_seconds),
            dollars(format_usd(record.cost_nanos)),
            _trouble(record.error),
        )
        for record in records
    ]
    write_table(
        ["id", "type", "status", "input", "created", ">time", ">cost", "error"], rows, empty="no jobs"
    )


def show_job(record: JobRecord, attempts: Sequence[Attempt], *, answer: str, as_json: bool) -> None:
    """One job with its attempts, and what it has found in words."""
    if as_json:
        write_json(
            {
                **record.as_record(),
                "attempts": [attempt_record(*each) for each in enumerate(attempts, start=1)],
            }
        )
        return
    progress = None if record.progress is None else f"{record.progress:.0%} {record.message or ''}".strip()
    write_pairs(
        [
            ("job", record.id),
            ("type", record.type),
            ("status", record.status.value + (" (cancelling)" if record.cancel_requested else "")),
            ("progress", progress if record.status == "processing" else None),
            ("priority", record.priority.value),
            *((f"payload.{key}", _shown(value)) for key, value in record.payload.items()),
            ("output", None if record.output is None else display(record.output)),
            ("created", local_time(record.created_at)),
            ("started", local_time(record.started_at) or None),
            ("completed", local_time(record.completed_at) or None),
            ("time", seconds(record.processing_time_seconds) or None),
            ("retries", record.retry_count),
            ("cost", dollars(format_usd(record.cost_nanos))),
            ("error", _trouble(record.error, remedy=True)),
            *(("artifact", line) for line in _artifact_lines(record.result or {})),
            ("answer", answer.expandtabs() or None),
        ]
    )
    rows = [
        (
            number,
            each.outcome.value if each.outcome else "processing",
            local_time(each.started_at),
            seconds((each.ended_at - each.started_at).total_seconds()) if each.ended_at else "",
            dollars(format_usd(each.cost_nanos)),
            _memory(each),
            _trouble(each.error),
        )
        for number, each in enumerate(attempts, start=1)
    ]
    columns = [">attempt", "outcome", "started", ">time", ">cost", "memory", "error"]
    write_table(columns, rows, empty="not started yet")


def _memory(attempt: Attempt) -> str:
    """What it might use, and what kept it to that."""
    if attempt.reserved_memory_bytes is None:
        return ""
    return f"{amount(attempt.reserved_memory_bytes)}, {attempt.enforced_by or '…'}"


def show_result(result: Mapping[str, Any], *, answer: str, wall_seconds: float | None) -> None:
    """The short summary after a one-shot job: answer, outputs and cost on stdout, an error on stderr."""
    if answer:
        click.echo(printable(answer.expandtabs()))
    for line in _artifact_lines(result):
        click.echo(line)
    for warning in result["facts"].get("warnings") or ():
        click.echo(f"note: {printable(str(warning))}", err=True)
    words = [
        click.style(str(result["status"]), bold=True),
        seconds(wall_seconds),
        dollars(result["cost_usd"]),
    ]
    click.echo(" · ".join(word for word in words if word))
    if result["error"]:
        click.echo(f"error: {printable(result['error']['message'])}", err=True)
        if result["error"].get("remedy"):
            click.echo(f"  → {printable(result['error']['remedy'])}", err=True)


def _artifact_lines(result: Mapping[str, Any]) -> list[str]:
    return [
        f"{display(each['uri'])}  ({each['media_type']}, {amount(each['bytes'])})"
        for each in result.get("artifacts", ())
    ]


def _shown(value: object) -> str:
    return display(value) if isinstance(value, str) else str(value)


def _trouble(error: Mapping[str, Any] | None, *, remedy: bool = False) -> str | None:
    if error is None:
        return None
    text = f"{error.get('class')}: {error.get('message')}"
    return f"{text}\n→ {error['remedy']}" if remedy and error.get("remedy") else text
