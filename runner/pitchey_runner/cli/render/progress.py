"""Progress bars on stderr, fed by the supervisor's events."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from pitchey_runner.cli.render.jobs import input_name
from pitchey_runner.cli.render.units import seconds
from pitchey_runner.cli.text import printable
from pitchey_runner.supervisor.events import Event, JobProgress, JobSettled, JobStarted, Watcher

__all__ = ["progress_bars"]


class _Bars(Protocol):
    """What is used of :class:`rich.progress.Progress`."""

    def add_task(self, description: str, *, total: float | None = ..., **fields: Any) -> Any: ...
    def update(self, task_id: Any, **fields: Any) -> None: ...
    def remove_task(self, task_id: Any) -> None: ...
    def advance(self, task_id: Any, advance: float = ...) -> None: ...


@contextmanager
def progress_bars(*, live: bool, total: int = 1) -> Iterator[Watcher | None]:
    """A watcher that draws while the block runs; ``None`` where nobody would see it.

    Args:
        total: How many jobs there are; for several, a bar of all of them is drawn as well.
    """
    if not live:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bars:
        yield _Watch(bars, total)


class _Watch:
    def __init__(self, bars: _Bars, total: int) -> None:
        self._bars = bars
        self._all = bars.add_task("all jobs", total=total, figures="") if total > 1 else None
        self._tasks: dict[str, Any] = {}
        self._failed = 0

    def __call__(self, event: Event) -> None:
        match event:
            case JobStarted():
                words = [event.type, input_name(event.payload)]
                if event.attempt > 1:
                    words.append(f"(attempt {event.attempt})")
                label = printable(" ".join(word for word in words if word)).replace("\n", " ")
                self._tasks[event.job_id] = self._bars.add_task(label[:60], total=None, figures="")
            case JobProgress() if event.job_id in self._tasks:
                self._bars.update(
                    self._tasks[event.job_id],
                    total=None if event.fraction is None else 1.0,
                    completed=event.fraction or 0.0,
                    figures=_figures(event.message, event.figures),
                )
            case JobSettled():
                self._settled(event)

    def _settled(self, event: JobSettled) -> None:
        task = self._tasks.pop(event.job_id, None)
        if task is not None:
            self._bars.remove_task(task)
        if self._all is None or not event.state.finished:
            return
        self._failed += event.state == "failed"
        self._bars.update(self._all, figures=f"{self._failed} failed" if self._failed else "")
        self._bars.advance(self._all)


def _figures(message: str | None, figures: Mapping[str, Any]) -> str:
    words = [printable(message).replace("\n", " ")] if message else []
    if (fps := figures.get("fps")) is not None:
        words.append(f"{fps:.0f} fps")
    if (speed := figures.get("speed")) is not None:
        words.append(f"{speed:.2f}x")
    if (eta := figures.get("eta_seconds")) is not None:
        words.append(f"{seconds(eta)} left")
    return " · ".join(words)
