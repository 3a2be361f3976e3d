"""``pitchey-run``. Only click is imported before it is known what was asked for."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: all is well; 1: a job failed; 2: the call is wrong; 3: a tool or extra is missing; 130: interrupted.
    """
    from pitchey_runner.cli.app import app
    from pitchey_runner.cli.failures import guarded

    return guarded(app, args)
