"""Forty attempts to break out of a sandbox: the untrusted programs, and how to tell whether one got through."""

from pitchey_core.isolation.attempts.attempt import Attempt, Seen
from pitchey_core.isolation.attempts.catalogue import ATTEMPTS
from pitchey_core.isolation.attempts.running import AttemptResult, Outcome, run_attempts
from pitchey_core.isolation.attempts.targets import Targets

__all__ = ["ATTEMPTS", "Attempt", "AttemptResult", "Outcome", "Seen", "Targets", "run_attempts"]
