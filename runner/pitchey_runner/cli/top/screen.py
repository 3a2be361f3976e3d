"""How a moment looks, in any size of terminal from 80 x 24 on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pitchey_core.pricing import format_usd
from pitchey_runner.cli.render.jobs import input_name
from pitchey_runner.cli.render.units import amount, local_time, seconds
from pitchey_runner.cli.text import printable
from pitchey_runner.telemetry.overview import Overview, QueueView, RunningJob

__all__ = ["Selection", "frame"]

T = TypeVar("T")

_BAR: Final = 10
_OTHER_LINES: Final = 7
"""Header, two table heads with their blank lines, and the foot."""
_LEAST_QUEUES: Final = 5
_KEYS: Final = "q quit  ↑↓ select  tab queues/jobs  p pause queue  c cancel job"


@dataclass(slots=True)
class Selection:
    """What is marked.

    Attributes:
        jobs: Whether the arrows move among jobs; else among queues.
        question: What is asked at the foot; ``None``: nothing.
        notice: What was done last.
    """

    jobs: bool = False
    queue: int = 0
    job: int = 0
    question: str | None = None
    notice: str = ""


def frame(view: Overview, selection: Selection | None, *, width: int, height: int) -> RenderableType:
    """One picture.

    Args:
        selection: ``None`` for a picture that nobody can act on.
    """
    room = max(2, height - _OTHER_LINES)
    for_queues = min(len(view.queues), max(_LEAST_QUEUES, room - len(view.running)), max(1, room - 1))
    for_jobs = max(1, room - for_queues)
    parts: list[RenderableType] = [*_header(view, width)]
    parts.append(_queues(view.queues, selection, for_queues))
    parts.append(Text(""))
    parts.append(_jobs(view.running, selection, for_jobs, width))
    if selection is not None:
        parts.append(_foot(selection, width))
    return Group(*parts)


def _header(view: Overview, width: int) -> list[Text]:
    host = view.host
    first = Text(no_wrap=True, overflow="crop")
    first.append("pitchey", style="bold")
    jobs = len(view.running)
    words = [
        local_time(view.at).partition(" ")[2],
        _count(len(view.workers), "worker"),
        _count(jobs, "job") + " running",
        f"${_dollars(view.cost_nanos_per_hour)}/h",
        f"${_dollars(view.cost_nanos_today)} today",
    ]
    first.append("  " + "  ".join(words))
    if view.paused:
        first.append("  ALL QUEUES PAUSED", style="bold yellow")
    second = Text(no_wrap=True, overflow="crop")
    used = host.memory_total - host.memory_available
    for name, percent, detail in (
        ("cpu", host.cpu_percent, f"of {host.cpus}"),
        ("mem", host.memory_percent, f"{amount(used)}" if width >= 90 else ""),
        ("disk", host.disk_percent, f"{amount(host.disk_free)} free" if width >= 90 else ""),
    ):
        second.append(f"{name} ")
        second.append_text(_bar(percent / 100, style=_heat(percent)))
        second.append(f" {percent:3.0f}% {detail}  ")
    return [first, second, Text("")]


def _queues(queues: Sequence[QueueView], selection: Selection | None, room: int) -> Table:
    table = _table()
    for name, justify in (
        ("queue", "left"), ("waiting", "right"), ("later", "right"), ("running", "right"),
        ("failed", "right"), ("per min", "right"), ("$/h", "right"),
    ):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    chosen = None if selection is None or selection.jobs else selection.queue
    for index, queue in _window(queues, 0 if selection is None else selection.queue, room):
        name = f"{queue.name[:24]} ‖ paused" if queue.paused else queue.name[:32]
        table.add_row(
            Text(name, style="yellow" if queue.paused else ""),
            str(queue.waiting),
            str(queue.later),
            f"{queue.running}/{queue.max_slots}",
            Text(str(queue.failed), style="red" if queue.failed else ""),
            f"{queue.per_minute:.1f}",
            _dollars(queue.cost_nanos_per_hour),
            style="reverse" if index == chosen else "",
        )
    return table


def _jobs(jobs: Sequence[RunningJob], selection: Selection | None, room: int, width: int) -> RenderableType:
    if not jobs:
        return Text("no job is running", style="dim")
    table = _table()
    for name, justify in (
        ("job", "left"), ("type", "left"), ("progress", "left"), ("time", "right"), ("left", "right"),
        ("what", "left"),
    ):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    chosen = None if selection is None or not selection.jobs else selection.job
    what = max(8, width - 66)
    for index, job in _window(jobs, 0 if selection is None else selection.job, room):
        record = job.record
        share = "   ?" if record.progress is None else f"{record.progress:4.0%}"
        progress = Text(no_wrap=True)
        progress.append_text(_bar(record.progress or 0.0, style="cyan"))
        progress.append(share)
        words = printable(record.message or input_name(record.payload)).replace("\n", " ")
        if record.cancel_requested:
            words = "cancelling"
        table.add_row(
            record.id[:8],
            record.type[:16],
            progress,
            seconds(job.elapsed_seconds),
            seconds(job.eta_seconds) or "?",
            Text(words[:what]),
            style="reverse" if index == chosen else "",
        )
    return table


def _foot(selection: Selection, width: int) -> Text:
    if selection.question is not None:
        return Text(selection.question[: width - 1], style="bold yellow", no_wrap=True)
    foot = Text(no_wrap=True, overflow="crop", style="dim")
    foot.append(selection.notice or _KEYS)
    return foot


def _window(rows: Sequence[T], chosen: int, room: int) -> list[tuple[int, T]]:
    """As many rows as there is room for, the chosen one among them."""
    first = max(0, min(chosen - room + 1, len(rows) - room)) if chosen >= room else 0
    return list(enumerate(rows))[first : first + room]


def _table() -> Table:
    return Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))


def _bar(fraction: float, *, style: str) -> Text:
    full = round(max(0.0, min(1.0, fraction)) * _BAR)
    bar = Text("━" * full, style=style)
    bar.append("─" * (_BAR - full), style="dim")
    return bar


def _heat(percent: float) -> str:
    return "red" if percent >= 90 else "yellow" if percent >= 70 else "green"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _dollars(nanos: int) -> str:
    """Dollars to four places, enough to see that something is spent."""
    return f"{float(format_usd(nanos)):.4f}"
