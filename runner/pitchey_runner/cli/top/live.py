"""The loop: look, draw, wait for a key, do what it says."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Console
from rich.live import Live

from pitchey_core.errors import StoreError
from pitchey_runner.cli.top.keys import Keyboard, keyboard
from pitchey_runner.cli.top.screen import Selection, frame
from pitchey_runner.store.interface import JobStore
from pitchey_runner.telemetry.overview import Observatory, Overview

__all__ = ["Top", "show_live"]

_LEAST_WAIT_SECONDS: Final = 0.05


def show_live(store: JobStore, observatory: Observatory, every: float) -> None:
    """Show the screen until ``q``.

    Raises:
        StoreError: The store cannot be read, also at the second try.
    """
    console = Console()
    top = Top(store, observatory)
    with keyboard() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while not top.done:
            top.look()
            if top.view is not None:
                size = console.size
                picture = frame(top.view, top.selection, width=size.width, height=size.height)
                live.update(picture, refresh=True)
            _heed(top, keys, every)


def _heed(top: Top, keys: Keyboard, every: float) -> None:
    """Wait for a key, or until it is time for the next look."""
    key = keys.pressed(every)
    while key is not None:
        top.press(key)
        # Keys that were held down come in crowds: one look for all of them.
        key = keys.pressed(_LEAST_WAIT_SECONDS) if not top.done else None


class Top:
    """What is seen and marked, and what the keys do.

    Attributes:
        done: Whether somebody wants to leave.
    """

    def __init__(self, store: JobStore, observatory: Observatory) -> None:
        self.view: Overview | None = None
        self.selection = Selection()
        self.done = False
        self._store = store
        self._observatory = observatory
        self._job_id: str | None = None
        self._asked: str | None = None
        self._failed = 0

    def look(self) -> None:
        """Look again. One failure is outlasted; the picture stays."""
        try:
            self.view = self._observatory.look()
            self._failed = 0
        except StoreError as error:
            self._failed += 1
            if self._failed > 1 or self.view is None:
                raise
            self.selection.notice = f"the store cannot be read: {error.message}"
            time.sleep(_LEAST_WAIT_SECONDS)
            return
        self._keep_marked(self.view)

    def press(self, key: str) -> None:
        """Do what a key says."""
        if self._asked is not None:
            self._answer(key)
            return
        self.selection.notice = ""
        match key:
            case "q" | "escape":
                self.done = True
            case "up" | "down":
                self._move(-1 if key == "up" else 1)
            case "tab" if self.view is not None:
                self.selection.jobs = not self.selection.jobs and bool(self.view.running)
                self._move(0)
            case "p":
                self._pause()
            case "c":
                self._ask_to_cancel()

    def _keep_marked(self, view: Overview) -> None:
        """The mark stays on its job while others come and go."""
        ids = [each.record.id for each in view.running]
        if self._job_id in ids:
            self.selection.job = ids.index(self._job_id)
        self.selection.jobs = self.selection.jobs and bool(ids)
        self._move(0)

    def _move(self, step: int) -> None:
        if self.view is None:
            return
        chosen = self.selection
        if chosen.jobs:
            chosen.job = max(0, min(len(self.view.running) - 1, chosen.job + step))
            self._job_id = self.view.running[chosen.job].record.id
        else:
            chosen.queue = max(0, min(len(self.view.queues) - 1, chosen.queue + step))

    def _pause(self) -> None:
        if self.view is None or self.selection.jobs or not self.view.queues:
            self.selection.notice = "p pauses a queue: go to one with tab"
            return
        queue = self.view.queues[self.selection.queue]
        self._store.pause_queue(queue.name, paused=not queue.paused)
        self.selection.notice = f"queue {queue.name} {'resumed' if queue.paused else 'paused'}"

    def _ask_to_cancel(self) -> None:
        if self.view is None or not self.selection.jobs:
            self.selection.notice = "c cancels a job: go to one with tab"
            return
        job = self.view.running[self.selection.job].record
        self._asked = job.id
        self.selection.question = f"cancel {job.type} job {job.id[:8]}? y/n"

    def _answer(self, key: str) -> None:
        asked, self._asked, self.selection.question = self._asked, None, None
        if key != "y" or asked is None:
            self.selection.notice = "nothing was cancelled"
            return
        (state,) = self._store.cancel([asked])
        done = "its worker was told to stop it" if state == "processing" else f"it is {state or 'gone'}"
        self.selection.notice = f"job {asked[:8]}: {done}"
