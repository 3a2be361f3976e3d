"""Read the pages of a document in isolated processes, past those that kill them, and on from where an attempt ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pitchey_core.errors import LimitExceeded, PitcheyError, SlotCrashed
from pitchey_document.limits import reader_limits
from pitchey_document.pages.contents import read_content
from pitchey_document.pages.reading import TIME_UP, PageOrder, failed_page, read_pages

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["PageRun"]

_CHECKPOINT: Final = "pages"
_CHECKPOINT_SECONDS: Final = 1.0
"""Between checkpoints: a page that is recognised takes longer, a text layer is read again in less time."""
_OF_A_PROCESS: Final = {"memory", "wall"}
"""Limits that a page's reader can exceed; any other is the whole document's."""
_RESERVED_SHARE: Final = 0.1
_RESERVED_SECONDS: Final = 3.0
"""Of the job's wall limit, for writing down what was read: the larger of both, but at most a third."""


class _Stopped(PitcheyError):
    """Another reader has ended the job."""


@dataclass(slots=True)
class PageRun:
    """The pages of one job.

    Attributes:
        records: What was told of each page that is done, by number.
        resumed: Number of pages that an earlier attempt had done.
    """

    job: JobContext
    path: Path
    order: PageOrder
    began: float
    records: dict[int, dict[str, Any]] = field(default_factory=dict)
    resumed: int = 0
    _written: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def read(self, numbers: Sequence[int], progress: Callable[[int, int], None]) -> None:
        """Read pages, as many at once as the job has threads.

        Args:
            numbers: From 1.
            progress: Takes how many are done of how many; what it raises ends the job.

        Raises:
            InputError: The document cannot be opened.
            Cancelled: The job was cancelled.
        """
        self._resume(set(numbers))
        left = [number for number in numbers if number not in self.records]
        self.resumed = len(numbers) - len(left)
        progress(self.resumed, len(numbers))

        def take(record: dict[str, Any]) -> None:
            with self._lock:
                self.records[record["number"]] = record
                self._checkpoint()
                progress(len(self.records), len(numbers))
            if self._stop.is_set():
                raise _Stopped("another reader has failed")

        readers = max(1, min(self.job.threads, len(left)))
        # Each takes every n-th page, so that a heavy part of the document falls on all.
        shares = [left[first::readers] for first in range(readers)]
        if readers == 1:
            self._read_share(shares[0], take, 1)
        else:
            self._read_at_once(shares, take)

    def _read_at_once(self, shares: Sequence[list[int]], take: Callable[[dict[str, Any]], None]) -> None:
        with ThreadPoolExecutor(len(shares)) as pool:
            running = [pool.submit(self._read_guarded, share, take, len(shares)) for share in shares]
            errors = [error for each in running if (error := each.exception()) is not None]
        told = [error for error in errors if not isinstance(error, _Stopped)]
        if told:
            raise told[0]

    def _read_guarded(self, share: list[int], take: Callable[[dict[str, Any]], None], readers: int) -> None:
        try:
            self._read_share(share, take, readers)
        except BaseException:
            self._stop.set()
            raise

    def _read_share(self, numbers: list[int], take: Callable[[dict[str, Any]], None], readers: int) -> None:
        left = list(numbers)
        while left:
            try:
                self._read_in_process(left, take, readers)
            except (SlotCrashed, LimitExceeded) as error:
                if isinstance(error, LimitExceeded) and error.limit not in _OF_A_PROCESS:
                    raise
                left = [number for number in left if number not in self.records]
                if not left or self._out_of_time():
                    break
                # They are read in order, so the first without a record is the one that did it.
                take(failed_page(left.pop(0), _words(error)))
            else:
                break
        for number in left:
            if number not in self.records:
                take(failed_page(number, TIME_UP))

    def _read_in_process(
        self, numbers: Sequence[int], take: Callable[[dict[str, Any]], None], readers: int
    ) -> None:
        seconds = self._seconds_left()
        self.job.isolate(
            read_pages,
            str(self.path),
            list(numbers),
            self.order.as_record(),
            seconds,
            limits=reader_limits(
                self.job.limits,
                readers=readers,
                # The reader's own alarm comes first, and knows the page.
                wall_seconds=None if seconds is None else seconds + 1.0,
            ),
            on_item=take,
        )

    def _seconds_left(self) -> float | None:
        wall = self.job.limits.wall_seconds
        if wall is None:
            return None
        reserved = min(max(wall * _RESERVED_SHARE, _RESERVED_SECONDS), wall / 3)
        return max(0.0, self.began + wall - reserved - time.monotonic())

    def _out_of_time(self) -> bool:
        return self._seconds_left() == 0.0

    # -- resuming ---------------------------------------------------------------------------------------------------

    def _fingerprint(self) -> list[int]:
        """Of the input: what an attempt read of another file is worth nothing."""
        status = self.path.stat()
        return [status.st_size, status.st_mtime_ns]

    def _resume(self, numbers: set[int]) -> None:
        kept = self.job.checkpoint(_CHECKPOINT)
        if not isinstance(kept, dict) or kept.get("input") != self._fingerprint():
            return
        self.records = {
            record["number"]: record
            for record in kept.get("pages", ())
            if record["number"] in numbers
            and (not self.order.text or _has_content(self.order.folder, record))
        }

    def _checkpoint(self) -> None:
        if time.monotonic() - self._written < _CHECKPOINT_SECONDS:
            return
        # A page that failed may have failed of what ended the attempt.
        done = [record for record in self.records.values() if record["source"] != "failed"]
        self.job.checkpoint(_CHECKPOINT, {"input": self._fingerprint(), "pages": done})
        self._written = time.monotonic()


def _has_content(folder: str, record: dict[str, Any]) -> bool:
    try:
        read_content(folder, record["content"])
    except (OSError, ValueError, KeyError):
        return False
    return True


def _words(error: PitcheyError) -> str:
    if isinstance(error, LimitExceeded):
        return f"it needs more {error.limit} than it may use" if error.limit == "memory" else error.message
    # SIGALRM is what the reader sets itself.
    return (
        "it takes too long" if "status -14" in error.message else f"it crashed its reader ({error.message})"
    )
