"""Which errors are worth another attempt: rules of a processor's queue, or of this host's settings."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass

from pitchey_core.errors import PitcheyError

__all__ = ["RetryRule", "rule_for", "signal_number"]


@dataclass(frozen=True, slots=True)
class RetryRule:
    """What to do about some errors, instead of what their class says. The first rule that matches counts.

    Attributes:
        error: Name of an error class; those below it match as well.
        exit_code: Exit status of the external program that failed, or of the job's own process.
        signal: Name of the signal that ended it, such as ``SIGKILL``.
        retries: Further attempts after the first; 0: fail at once. ``None``: as many as the job has.
        backoff: Most seconds before the first retry; doubled for each one after it. ``None``: the usual.
        backoff_cap: Most seconds before any retry. ``None``: the usual.
    """

    error: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    retries: int | None = None
    backoff: float | None = None
    backoff_cap: float | None = None

    def matches(self, error: PitcheyError) -> bool:
        """Whether all that the rule says holds for an error."""
        returncode = getattr(error, "returncode", None)
        names = {cls.__name__ for cls in type(error).__mro__} | {str(error.as_record()["class"])}
        return (
            (self.error is None or self.error in names)
            and (self.exit_code is None or self.exit_code == returncode)
            and (
                self.signal is None or (returncode is not None and -returncode == signal_number(self.signal))
            )
        )


def rule_for(error: PitcheyError, rules: Iterable[RetryRule]) -> RetryRule | None:
    """The first rule that matches an error."""
    return next((rule for rule in rules if rule.matches(error)), None)


def signal_number(name: str) -> int:
    """The number of a signal.

    Raises:
        ValueError: There is no signal of that name.
    """
    try:
        return signal.Signals[name]
    except KeyError:
        raise ValueError(f"there is no signal {name!r}; signals are named like SIGKILL") from None
