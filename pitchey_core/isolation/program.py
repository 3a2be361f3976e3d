"""What to run in a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Program"]


@dataclass(frozen=True, slots=True)
class Program:
    """An executable of the host, or Python code for the warm interpreter.

    Attributes:
        argv: The executable (an absolute path of the host) and its arguments. With ``warm_python``: a Python file,
            relative to the working folder, and its arguments.
        env: All of its environment, beside ``PATH``, ``HOME``, ``TMPDIR`` and ``LANG``.
        read_only: Folders and files of the host that it needs beside ``/usr`` and the system's libraries: its own
            executable, the prefix of an interpreter. They keep their paths.
        warm_python: Run it in a fork of an interpreter that has started already (``-I -S -B``, the version of this
            process). Each run has a fork of its own.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    read_only: tuple[Path, ...] = ()
    warm_python: bool = False
