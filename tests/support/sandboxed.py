"""Python code for a sandbox, from the warm interpreter or from one that is started."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from pitchey_core.isolation import Program, SandboxPolicy, SandboxReport
from pitchey_core.process import interpreter

MIB = 1024**2
POLICY = SandboxPolicy(wall_seconds=20.0, memory_bytes=192 * MIB)

Run = Callable[..., SandboxReport]


def python(*arguments: str, warm: bool = True, env: dict[str, str] | None = None) -> Program:
    """A program that runs ``main.py``."""
    if warm:
        return Program(("main.py", *arguments), env or {}, warm_python=True)
    prefix = Path(sys.base_prefix)
    return Program((interpreter(), "-I", "-S", "-B", "main.py", *arguments), env or {}, read_only=(prefix,))
