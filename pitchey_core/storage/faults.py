"""What an :class:`OSError` of a file system means for the job."""

from __future__ import annotations

import errno
import os

from pitchey_core.errors import InputError, OutOfSpace, PitcheyError, TransientError

__all__ = ["write_error"]

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_WRONG = {errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR, errno.EINVAL, errno.EFBIG}


def write_error(error: OSError, where: str) -> PitcheyError:
    """The error for a write that failed.

    Args:
        error: What the system said.
        where: The folder or URL written to, printable.
    """
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return OutOfSpace(f"no space left for {where}", remedy="free some space, then retry the job")
    if error.errno in _DENIED:
        return InputError(
            f"{where} cannot be written: {reason}",
            remedy=f"choose another output folder, or make it writable for user {os.geteuid()}",
        )
    if error.errno == errno.EXDEV:
        return InputError(
            f"{where} spans several file systems, so outputs cannot appear in it at once",
            remedy="choose an output folder without mount points below it",
        )
    if error.errno in _WRONG:
        return InputError(f"{where} cannot be written: {reason}", remedy="choose another output folder")
    return TransientError(f"{where} cannot be written now: {reason}")
