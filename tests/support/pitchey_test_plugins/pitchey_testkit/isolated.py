"""A function to call in isolation."""

from __future__ import annotations

import os
from typing import Any

from pitchey_core.errors import InputError

__all__ = ["explode"]


def explode(kind: str) -> Any:
    """End in a way of choice."""
    match kind:
        case "ours":
            raise InputError("bad", remedy="good")
        case "theirs":
            raise KeyError("x")
        case "die":
            os.abort()
        case "spin":
            while True:
                pass
        case "print":
            print("this must not mix with the answer")
            return {"pid": os.getpid(), "secret": os.environ.get("A_SECRET")}
    return kind
