"""What the tests of the attempts share."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

from pitchey_core.isolation.attempts import Attempt

__all__ = ["attempt_id", "deno_path", "is_possible_here"]


def attempt_id(attempt: Attempt) -> str:
    return f"{attempt.number:02}-{attempt.title.replace(' ', '-')[:40]}"


def deno_path() -> Path | None:
    """Deno of this environment, or of the host."""
    beside = Path(sysconfig.get_path("scripts")) / "deno"
    found = str(beside) if beside.exists() else shutil.which("deno")
    return None if found is None else Path(found)


def is_possible_here(attempt: Attempt) -> str | None:
    """Why an attempt cannot succeed on this host, whatever is switched off; ``None`` if it can."""
    if attempt.language == "javascript" and deno_path() is None:
        return "Deno is not installed"
    disabled = Path("/proc/sys/kernel/io_uring_disabled")
    if attempt.number == 31 and disabled.exists() and disabled.read_text().strip() != "0" and os.getuid():
        return "this kernel's settings forbid io_uring"
    return None
