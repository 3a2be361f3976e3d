"""Runs the attempts in sandboxes of this host, and says what stopped each."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pitchey_core.isolation.attempts.attempt import LIMITS, Attempt, Seen
from pitchey_core.isolation.attempts.catalogue import ATTEMPTS
from pitchey_core.isolation.attempts.prelude import PRELUDE
from pitchey_core.isolation.attempts.targets import Targets
from pitchey_core.isolation.interpreter import python_program
from pitchey_core.isolation.policy import SandboxPolicy
from pitchey_core.isolation.program import Program
from pitchey_core.isolation.report import SandboxReport, Verdict
from pitchey_core.isolation.sandbox import Sandbox

__all__ = ["FILES", "AttemptResult", "Outcome", "full_source", "run_attempts", "run_one"]

FILES: Final = {"python": "attempt.py", "javascript": "attempt.mjs"}
"""Name of the program in its working folder, by language."""

_LONGEST_EVIDENCE: Final = 300


class Outcome(StrEnum):
    """How an attempt ended."""

    STOPPED = "stopped"
    BREACHED = "breached"
    INCONCLUSIVE = "inconclusive"
    """The program failed before it came to its attempt: nothing is shown."""
    SKIPPED = "skipped"
    """This host cannot run it."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What became of one attempt.

    Attributes:
        by: The layers that are meant to stop it and stood, the first first; ``supervisor`` where the host side does.
        evidence: What the program, the kernel and the host saw; or what got through.
        passes: What is expected.
        seconds: Wall time.
    """

    number: int
    title: str
    outcome: Outcome
    by: tuple[str, ...]
    evidence: str
    passes: str
    verdict: str | None
    seconds: float

    @property
    def stopped(self) -> bool:
        return self.outcome is Outcome.STOPPED

    def as_record(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "outcome": str(self.outcome), "by": list(self.by)}


def run_attempts(
    attempts: Iterable[Attempt] = ATTEMPTS,
    *,
    deno: Path | None = None,
    warm: bool = False,
    changes: Mapping[str, Any] | None = None,
    on_result: Callable[[AttemptResult], None] | None = None,
) -> list[AttemptResult]:
    """Run untrusted programs that try to break out, each in a sandbox of its own.

    They are harmless even where no wall stands: their bombs are small, and what they are after was made for them.

    Args:
        deno: For the programs in JavaScript; without it they are skipped.
        warm: Whether Python programs run in forks of a warm interpreter.
        changes: Of the policy: other layers, for tests that show what one of them holds alone.
        on_result: Takes each result as it comes.
    """
    results = []
    # The sandbox last: what it must not pass on has to be there before it starts.
    with Targets() as targets, Sandbox() as sandbox:
        for attempt in attempts:
            result = run_one(sandbox, targets, attempt, deno=deno, warm=warm, changes=changes)
            if on_result is not None:
                on_result(result)
            results.append(result)
    return results


def run_one(
    sandbox: Sandbox,
    targets: Targets,
    attempt: Attempt,
    *,
    deno: Path | None = None,
    warm: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> AttemptResult:
    """Run one attempt; see :func:`run_attempts`."""
    if attempt.language == "javascript" and deno is None:
        return _result(attempt, Outcome.SKIPPED, "Deno is not installed: pip install 'pitchey[code]'")
    policy = SandboxPolicy(**{**LIMITS, **attempt.limits, **(changes or {})})
    argument = targets.as_argument(policy.processes)
    library = (targets.library,) if attempt.library else ()
    with tempfile.TemporaryDirectory(prefix="pitchey-attempt-") as folder:
        began = time.monotonic()
        report = sandbox.run(
            _program(attempt, argument, library, deno, warm),
            policy,
            files={FILES[attempt.language]: full_source(attempt).encode()},
            outputs=attempt.outputs,
            collect=Path(folder),
        )
        seconds = time.monotonic() - began
        seen = _seen(report, targets, seconds)
    if report.verdict is Verdict.SANDBOX_ERROR:
        return _result(attempt, Outcome.INCONCLUSIVE, report.detail or "the sandbox was not built", seen)
    breach = attempt.breach(seen)
    if breach is None and not targets.untouched:
        breach = "the library was changed"
    if breach is not None:
        return _result(attempt, Outcome.BREACHED, breach, seen)
    evidence = attempt.evidence(seen)
    if evidence is None:
        last = report.stderr.data.decode("utf-8", "replace").strip().rpartition("\n")[2]
        words = f"verdict {report.verdict}, and the program said nothing of its attempt. {last}"
        return _result(attempt, Outcome.INCONCLUSIVE, words.strip(), seen)
    return _result(attempt, Outcome.STOPPED, evidence, seen, _standing(attempt, report))


def full_source(attempt: Attempt) -> str:
    """The program with what stands before it."""
    return attempt.source if attempt.language == "javascript" else PRELUDE + attempt.source


def _program(
    attempt: Attempt, argument: str, read_only: tuple[Path, ...], deno: Path | None, warm: bool
) -> Program:
    file = FILES[attempt.language]
    if attempt.language == "python":
        return python_program(file, [argument], warm=warm, read_only=read_only)
    assert deno is not None
    binary = Path(os.path.realpath(deno))
    argv = (str(binary), "run", "-A", "--no-remote", "--no-check", "--no-prompt", file, argument)
    return Program(argv, {"DENO_NO_UPDATE_CHECK": "1"}, (binary, *read_only))


def _seen(report: SandboxReport, targets: Targets, seconds: float) -> Seen:
    text = report.stdout.data.decode("utf-8", "replace")
    return Seen(
        verdict=report.verdict,
        lines=tuple(text.splitlines()),
        kept_bytes=len(report.stdout.data) + len(report.stderr.data),
        collected={each.name: each.path.read_bytes() for each in report.files},
        refused=dict(report.refused),
        seconds=seconds,
        survivors=len(targets.survivors()),
        token=targets.token,
        delivered=targets.reached(),
        detail=report.detail,
    )


def _standing(attempt: Attempt, report: SandboxReport) -> tuple[str, ...]:
    if not attempt.layers:
        return ("supervisor",)
    down = ("off", "not enforced")
    standing = [
        str(layer) for layer in attempt.layers if not report.isolation.get(layer, "off").startswith(down)
    ]
    return tuple(standing) or ("supervisor",)


def _result(
    attempt: Attempt, outcome: Outcome, evidence: str, seen: Seen | None = None, by: tuple[str, ...] = ()
) -> AttemptResult:
    return AttemptResult(
        number=attempt.number,
        title=attempt.title,
        outcome=outcome,
        by=by,
        evidence=evidence[:_LONGEST_EVIDENCE].encode("ascii", "backslashreplace").decode(),
        passes=attempt.passes,
        verdict=None if seen is None else str(seen.verdict),
        seconds=round(seen.seconds if seen else 0.0, 3),
    )
