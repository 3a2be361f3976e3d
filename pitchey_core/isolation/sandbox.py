"""Runs untrusted programs, one at a time, each in a new sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pitchey_core.isolation.policy import SandboxPolicy
from pitchey_core.isolation.program import Program
from pitchey_core.isolation.report import SandboxReport

__all__ = ["Sandbox"]


class Sandbox:
    """Owns the process that builds sandboxes. Nothing of a program outlives its run, and nothing outlives this."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the launcher and all that it started."""

    def run(
        self,
        program: Program,
        policy: SandboxPolicy,
        *,
        stdin: bytes = b"",
        files: Mapping[str, bytes] | None = None,
        outputs: Sequence[str] = (),
        collect: Path | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> SandboxReport:
        """Run one program to its end.

        Args:
            stdin: What it reads from standard input.
            files: Relative names, ``/`` between parts, and contents: what its working folder holds at the start.
            outputs: Patterns of the files to collect, as for :func:`fnmatch.fnmatchcase` by part; ``**`` for any parts.
            collect: An existing folder for the copies; without one nothing is collected.
            cancelled: Asked every 100 ms; once true, the program is killed.

        Raises:
            Cancelled: ``cancelled()`` was true.
            InputError: A name in ``files`` is absolute, or has a part ``..``, or the files do not fit ``tmp_bytes``.
        """
        raise NotImplementedError
