"""Checks of jobs that are stopped in the middle: nothing of them may be left, and nothing half-done be seen."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

import anyio

from pitchey_core.errors import Cancelled, LimitExceeded, PitcheyError, SlotCrashed
from pitchey_core.storage import STAGING_NAME
from pitchey_core.testing.outcomes import check_artifacts
from pitchey_core.testing.subject import Subject
from pitchey_core.testing.workbench import Interrupted, Workbench

__all__ = ["InterruptionChecks"]

_GRACE_SECONDS = 5.0
_QUICK_SECONDS = 10.0


class InterruptionChecks(Subject):
    """With ``slow_payload`` the job must be caught in the middle.

    Without one it may also have ended by then: its outputs are either all there, and right, or not at all.
    """

    def test_cancelled_in_the_middle(
        self, workbench: Workbench, given: Mapping[str, Any], given_slow: Mapping[str, Any] | None
    ) -> None:
        """As by ``pitchey-run cancel``: asked to stop, and killed if it does not."""
        ended = workbench.cancel(
            given_slow or given, after=self._pause(given_slow), grace_seconds=_GRACE_SECONDS
        )
        self._check(workbench, ended, Cancelled, slow=given_slow is not None)
        if self.stops_when_asked:
            assert ended.outcome is not None
            assert not ended.outcome.died, (
                f"it did not stop within {_GRACE_SECONDS:g} s: call job.progress or job.check in long loops, or say "
                "stops_when_asked = False"
            )

    def test_caller_gives_up(
        self, workbench: Workbench, given: Mapping[str, Any], given_slow: Mapping[str, Any] | None
    ) -> None:
        """The call of ``pitchey_core.arun`` is cancelled: the job is killed at once."""
        ended = workbench.interrupt(
            given_slow or given, lambda scope: scope.cancel(), after=self._pause(given_slow)
        )
        self._check(workbench, ended, None, slow=given_slow is not None)

    def test_killed_in_the_middle(
        self, workbench: Workbench, given: Mapping[str, Any], given_slow: Mapping[str, Any] | None
    ) -> None:
        """``kill -9`` of the process that runs the job, as the kernel does when memory runs out."""

        def kill(_scope: anyio.CancelScope) -> None:
            worker = workbench.worker()
            if worker is not None:
                os.kill(worker, signal.SIGKILL)

        ended = workbench.interrupt(given_slow or given, kill, after=self._pause(given_slow))
        self._check(workbench, ended, SlotCrashed, slow=given_slow is not None)

    def test_wall_limit(
        self, workbench: Workbench, given: Mapping[str, Any], given_slow: Mapping[str, Any] | None
    ) -> None:
        """A job that takes longer than it may is killed, and is not retried."""
        workbench.set_wall_limit(1.0 if given_slow is not None else 0.001)
        ran = workbench.run(given_slow or given)
        ended = Interrupted(ran.result.error is not None, ran.result, None, ran.wall_seconds, ran.left)
        self._check(workbench, ended, LimitExceeded, slow=given_slow is not None)
        if isinstance(ran.result.error, LimitExceeded):
            assert ran.result.error.limit == "wall"

    def _pause(self, slow: Mapping[str, Any] | None) -> float:
        return self.interrupt_after if slow is not None else 0.0

    def _check(
        self, workbench: Workbench, ended: Interrupted, expected: type[PitcheyError] | None, *, slow: bool
    ) -> None:
        error = ended.result.error if ended.result is not None else None
        if slow:
            assert ended.in_time, (
                f"slow_payload was done after {ended.wall_seconds:.1f} s: make it take longer"
            )
            assert expected is None or isinstance(error, expected), f"it ended with {error!r}"
            assert ended.result is None or error is not None
        else:
            assert ended.wall_seconds < _QUICK_SECONDS, "such a job can be interrupted: give a slow_payload"
            assert error is None or (expected is not None and isinstance(error, expected)), (
                f"ended with {error!r}"
            )
        if ended.result is not None and error is None:
            check_artifacts(ended.result, workbench.output)
        elif slow or ended.result is not None:
            assert workbench.files() == {}, "a job that was stopped has left files in the output folder"
        assert not (workbench.output / STAGING_NAME).exists(), "what was staged is still there"
        assert ended.left == []
