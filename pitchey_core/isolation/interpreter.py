"""Python in a sandbox: this interpreter, without its site packages."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pitchey_core.isolation.program import Program
from pitchey_core.process import interpreter

__all__ = ["python_program"]


def python_program(
    file: str, args: Sequence[str] = (), *, warm: bool = True, read_only: tuple[Path, ...] = ()
) -> Program:
    """A Python file of the working folder, run with ``-I -S -B``, but that it can import what lies beside it.

    Args:
        warm: In a fork of an interpreter that has started already; else in one of its own.
        read_only: Folders that it may read, too.
    """
    if warm:
        return Program((file, *args), read_only=read_only, warm_python=True)
    executable = interpreter()
    prefixes = dict.fromkeys(Path(each) for each in (sys.base_prefix, sys.base_exec_prefix))
    own = [each for each in prefixes if each != Path("/usr")]
    return Program((executable, "-E", "-s", "-S", "-B", file, *args), read_only=(*own, *read_only))
