"""How waiting looks: bars in a terminal, or in a notebook, which need nothing but what is there anyway."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any, Protocol

__all__ = ["View", "showing"]

Line = tuple[str, float | None, str]
"""A running job: name, fraction done, message."""


class View(Protocol):
    """Shows how far some jobs are."""

    def update(self, done: int, failed: int, total: int, lines: Sequence[Line]) -> None:
        """Draw the latest state."""


@contextmanager
def showing(show: bool) -> Iterator[View | None]:
    """A view while the block runs; ``None`` where nobody would see it, or where it is not wanted."""
    if not show:
        yield None
    elif (display := _notebook_display()) is not None:
        yield _NotebookView(display)
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[words]}", markup=False),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bars:
            yield _TerminalView(bars)
    else:
        yield None


def _notebook_display() -> Any | None:
    """IPython's ``display`` function, if this runs in a notebook's kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display


def _words(failed: int) -> str:
    return f"{failed} failed" if failed else ""


class _TerminalView:
    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._all = bars.add_task("all jobs", total=None, words="")
        self._tasks: dict[str, Any] = {}

    def update(self, done: int, failed: int, total: int, lines: Sequence[Line]) -> None:
        self._bars.update(
            self._all, completed=done, total=total, words=f"{done} of {total} {_words(failed)}".strip()
        )
        running = {name: (fraction, message) for name, fraction, message in lines}
        for name in self._tasks.keys() - running.keys():
            self._bars.remove_task(self._tasks.pop(name))
        for name, (fraction, message) in running.items():
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=None, words="")
            self._bars.update(
                self._tasks[name],
                total=None if fraction is None else 1.0,
                completed=fraction or 0.0,
                words=" ".join(message.split()),
            )


class _NotebookView:
    """One output that is drawn over: HTML without scripts, so it stays readable in a saved notebook."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._handle: Any = None
        self._shown = ""

    def update(self, done: int, failed: int, total: int, lines: Sequence[Line]) -> None:
        rows = [_row("all jobs", done / total if total else 1.0, f"{done} of {total} {_words(failed)}")]
        rows += [_row(*line) for line in lines]
        html = f"<table>{''.join(rows)}</table>"
        if html == self._shown:
            return
        self._shown = html
        data = {"text/html": html, "text/plain": f"{done} of {total} jobs {_words(failed)}".strip()}
        if self._handle is None:
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def _row(name: str, fraction: float | None, message: str) -> str:
    value = "" if fraction is None else f" value='{fraction:.3f}'"
    share = "" if fraction is None else f"{fraction:.0%}"
    return (
        f"<tr><td>{escape(name)}</td><td><progress{value} max='1'></progress></td>"
        f"<td>{share}</td><td>{escape(message.strip())}</td></tr>"
    )
