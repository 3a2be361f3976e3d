"""Functions to call in isolation."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pitchey_core.errors import InputError

__all__ = ["count", "explode"]


def explode(kind: str) -> Any:
    """End in a way of choice."""
    match kind:
        case "ours":
            raise InputError("bad", remedy="good")
        case "theirs":
            raise KeyError("x")
        case "die":
            os.abort()
        case "linger":
            time.sleep(0.5)
        case "spin":
            while True:
                pass
        case "filtered":
            status = Path("/proc/self/status").read_text("ascii")
            return dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)["Seccomp"]
        case "print":
            print("this must not mix with the answer")
            return {"pid": os.getpid(), "secret": os.environ.get("A_SECRET")}
    return kind


def count(most: int, then: str) -> Iterator[dict[str, Any]]:
    """Yield numbers, with some noise between them, and then end in a way of choice."""
    for number in range(most):
        print("noise")
        yield {"number": number}
    if then == "large":
        yield "x" * 100_000
    return explode(then)
