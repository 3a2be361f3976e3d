"""Run ffmpeg for a job: progress with speed and remaining time, and the figures of the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["EncodeStats", "ProgressParser", "run_ffmpeg"]

_SETTLED_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class EncodeStats:
    """What a run reported and used.

    Attributes:
        frames: Pictures written to the first output; ``None`` if ffmpeg did not say.
        duplicated, dropped: Pictures added or left out to keep the frame rate.
        seconds: Play time written.
        speed: Play time per wall time.
        messages: The end of its log, at level warning.
    """

    frames: int | None
    duplicated: int
    dropped: int
    seconds: float | None
    speed: float | None
    wall_seconds: float
    cpu_seconds: float
    messages: str = ""


class ProgressParser:
    """Turns the lines of ``-progress`` into calls of ``report``, in which the fraction never falls.

    Args:
        duration: Play time that will be written, in seconds; ``None`` if unknown.
        report: Takes the fraction done (or ``None``) and the figures ``fps``, ``speed`` and ``eta_seconds``.
    """

    def __init__(
        self, duration: float | None, report: Callable[[float | None, dict[str, float]], None] | None = None
    ) -> None:
        self._duration = duration
        self._report = report
        self._started = time.monotonic()
        self._fraction = 0.0
        self._block: dict[str, str] = {}
        self.last: dict[str, str] = {}

    def feed(self, line: str) -> None:
        """Take one line of the form ``key=value``; a block of them ends with ``progress=…``."""
        key, _, value = line.strip().partition("=")
        self._block[key] = value.strip()
        if key != "progress":
            return
        self.last, self._block = self._block, {}
        if self._report is not None:
            self._report(*self._figures())

    def number(self, key: str) -> float | None:
        """A figure of the last block; ``None`` where ffmpeg wrote ``N/A`` or nothing."""
        try:
            return float(self.last.get(key, "").rstrip("x"))
        except ValueError:
            return None

    @property
    def seconds(self) -> float | None:
        """Play time written so far."""
        micro = self.number("out_time_us")
        return None if micro is None else max(0.0, micro / 1e6)

    def _figures(self) -> tuple[float | None, dict[str, float]]:
        figures = {key: value for key in ("fps", "speed") if (value := self.number(key)) is not None}
        done = self.seconds
        if not self._duration or done is None:
            return None, figures
        self._fraction = max(self._fraction, min(1.0, done / self._duration))
        elapsed = time.monotonic() - self._started
        if self._fraction > 0 and elapsed > _SETTLED_SECONDS:
            figures["eta_seconds"] = round(elapsed * (1 - self._fraction) / self._fraction, 1)
        return self._fraction, figures


def run_ffmpeg(
    job: JobContext,
    arguments: Sequence[str],
    *,
    duration: float | None = None,
    report: Callable[[float | None, dict[str, float]], None] | None = None,
    cwd: Path | None = None,
) -> EncodeStats:
    """Run ffmpeg with arguments from :func:`~pitchey_core.ffmpeg.graph.build_arguments`.

    Args:
        duration: Play time that will be written, in seconds, for the progress.
        report: See :class:`ProgressParser`.
        cwd: Folder to run in; default: the job's work folder.

    Raises:
        ToolFailed, LimitExceeded, Cancelled, OutOfSpace: As for ``job.run``.
    """
    parser = ProgressParser(duration, report)
    done = job.run(
        "ffmpeg", ["-progress", "pipe:1", *arguments], on_stdout=parser.feed, cwd=cwd or job.workdir
    )
    frames = parser.number("frame")
    return EncodeStats(
        frames=None if frames is None else int(frames),
        duplicated=int(parser.number("dup_frames") or 0),
        dropped=int(parser.number("drop_frames") or 0),
        seconds=parser.seconds,
        speed=parser.number("speed"),
        wall_seconds=done.wall_seconds,
        cpu_seconds=done.cpu_seconds,
        messages=done.stderr.decode("utf-8", "replace"),
    )
