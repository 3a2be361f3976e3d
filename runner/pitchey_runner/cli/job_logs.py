"""Finds and follows the log files of a job's attempts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pitchey_core.errors import InputError, UsageError
from pitchey_core.storage import display
from pitchey_runner.store.interface import Attempt, JobStore

__all__ = ["follow", "log_path", "read_logs"]

Write = Callable[[int, bytes], None]
"""Takes the number of the attempt, in the order in which they began, and a piece of its log."""

_POLL_SECONDS: Final = 0.2
_PIECE_BYTES: Final = 1 << 16


def log_path(data_dir: Path, attempt: Attempt, job_id: str) -> Path:
    """Where an attempt logs: as it said itself, or while it runs, where it will be (see ``JobOrder.log_path``)."""
    if attempt.log_path:
        return Path(attempt.log_path)
    return data_dir / "logs" / job_id[:2] / f"{job_id}.{attempt.claim_seq}.log"


def read_logs(
    store: JobStore, job_id: str, data_dir: Path, write: Write, *, attempt: int | None = None
) -> None:
    """Write the log of one attempt, by default the latest.

    Raises:
        UsageError: There was no such attempt.
        InputError: The log cannot be read.
    """
    attempts = store.attempts(job_id)
    if not attempts:
        raise UsageError(f"job {job_id} has not run yet", remedy=f"pitchey-run logs -f {job_id} waits for it")
    number = attempt or len(attempts)
    if number > len(attempts):
        raise UsageError(f"job {job_id} has no attempt {attempt}", remedy=f"it has {len(attempts)}")
    _copy(log_path(data_dir, attempts[number - 1], job_id), 0, number, write)


def follow(store: JobStore, job_id: str, data_dir: Path, write: Write) -> None:
    """Write all attempts' logs as they grow, until the job is finished."""
    read: dict[int, int] = {}
    while True:
        record = store.get(job_id)
        finished = record is None or record.status.finished
        for number, each in enumerate(store.attempts(job_id), start=1):
            start = read.get(each.claim_seq, 0)
            read[each.claim_seq] = _copy(log_path(data_dir, each, job_id), start, number, write)
        if finished:
            return
        time.sleep(_POLL_SECONDS)


def _copy(path: Path, start: int, number: int, write: Write) -> int:
    try:
        with path.open("rb") as file:
            file.seek(start)
            while piece := file.read(_PIECE_BYTES):
                write(number, piece)
            return file.tell()
    except FileNotFoundError:
        # A log comes into being with its first line.
        return start
    except OSError as error:
        raise InputError(f"the log {display(str(path))} cannot be read: {error.strerror}") from error
