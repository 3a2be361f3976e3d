"""What was not foreseen, as the error of the job that it belongs to: the others of its batch are not touched by it."""

from __future__ import annotations

import errno
import traceback
from typing import TYPE_CHECKING, Final

from pitchey_core.errors import InputError, LimitExceeded, OutOfSpace, PitcheyError, ProcessorError

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["as_fault"]

_MOST_WORDS: Final = 2000


def as_fault(error: Exception, job: JobContext) -> PitcheyError:
    """The error of a job; a defect leaves its traceback in the job's log."""
    if isinstance(error, PitcheyError):
        return error
    if isinstance(error, OSError):
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return OutOfSpace(f"the disk is full: {error.filename}", remedy="free some space, then retry")
        return InputError(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}")
    job.log.error("%s", "".join(traceback.format_exception(error)))
    if isinstance(error, MemoryError):
        return LimitExceeded("the model ran out of memory", limit="memory")
    return ProcessorError(
        f"inference raised {type(error).__name__}: {error}"[:_MOST_WORDS],
        remedy=f"pitchey-run logs {job.job_id} shows where",
    )
