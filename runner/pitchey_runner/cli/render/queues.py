"""Queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from pitchey_core.pricing import format_usd
from pitchey_runner.cli.render.output import write_json, write_table
from pitchey_runner.store.interface import ALL_QUEUES, QueueLimits, QueueRecord, RateLimit
from pitchey_runner.telemetry.overview import Overview

__all__ = ["show_queue_paused", "show_queues"]


def show_queues(view: Overview, records: Sequence[QueueRecord], *, as_json: bool) -> None:
    """One line for each, and one for all together where somebody has limited them."""
    known = {each.name: each for each in records}
    everywhere = known.get(ALL_QUEUES, QueueRecord(ALL_QUEUES, False, QueueLimits()))
    if as_json:
        for queue in view.queues:
            limits = known[queue.name].limits if queue.name in known else QueueLimits()
            write_json(
                {
                    "name": queue.name,
                    "paused": queue.paused or everywhere.paused,
                    "waiting": queue.waiting,
                    "later": queue.later,
                    "running": queue.running,
                    "failed": queue.failed,
                    "per_minute": queue.per_minute,
                    "cost_usd_per_hour": format_usd(queue.cost_nanos_per_hour),
                    **_limits_record(limits),
                }
            )
        if everywhere.name in known:
            write_json({"name": ALL_QUEUES, "paused": everywhere.paused, **_limits_record(everywhere.limits)})
        return
    rows: list[tuple[Any, ...]] = []
    for queue in view.queues:
        limits = known[queue.name].limits if queue.name in known else QueueLimits()
        status = "paused" if queue.paused or everywhere.paused else "open"
        rows.append(
            (
                queue.name, status, queue.waiting, queue.later, queue.running, queue.failed,
                f"{queue.per_minute:.1f}", limits.max_running, _rate(limits.rate), queue.max_slots,
            )
        )  # fmt: skip
    if everywhere.name in known:
        limits = everywhere.limits
        status = "paused" if everywhere.paused else "open"
        rows.append(
            ("all", status, "", "", "", "", "", limits.max_running, _rate(limits.rate), limits.max_slots)
        )
    write_table(
        [
            "queue", "status", ">waiting", ">later", ">running", ">failed", ">per min", ">max running",
            ">rate", ">max slots",
        ],
        rows,
        empty="no processors, no queues",
    )  # fmt: skip


def show_queue_paused(names: Sequence[str], changed: Sequence[bool], *, paused: bool, as_json: bool) -> None:
    """One line for each."""
    for name, new in zip(names, changed, strict=True):
        if as_json:
            write_json({"name": name, "paused": paused, "changed": new})
        else:
            shown = "all queues" if name == ALL_QUEUES else name
            click.echo(f"{shown}  {'paused' if paused else 'open'}{'' if new else ' already'}")


def _limits_record(limits: QueueLimits) -> dict[str, Any]:
    rate = limits.rate
    return {
        "max_running": limits.max_running,
        "rate": None if rate is None else {"count": rate.count, "seconds": rate.seconds},
        "max_slots": limits.max_slots,
    }


def _rate(rate: RateLimit | None) -> str:
    return "" if rate is None else f"{rate.count} in {rate.seconds:g} s"
