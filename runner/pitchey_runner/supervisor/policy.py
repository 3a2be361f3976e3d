"""What becomes of a job whose attempt has ended. Pure decisions; the store carries them out."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pitchey_core.errors import Cancelled, LimitExceeded, OutOfSpace, PitcheyError
from pitchey_core.retrying import RetryRule, rule_for
from pitchey_runner.store.interface import AttemptOutcome, ClaimedJob, JobState

__all__ = ["BACKOFF_BASE_SECONDS", "BACKOFF_CAP_SECONDS", "Verdict", "backoff", "judge"]

BACKOFF_BASE_SECONDS: Final = 2.0
BACKOFF_CAP_SECONDS: Final = 300.0
_SPACE_FACTOR: Final = 10.0
"""A disk that is full stays so for longer than most of what passes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """State of the job and outcome of the attempt; ``retry_in`` in seconds, with state ``scheduled``."""

    state: JobState
    outcome: AttemptOutcome
    retry_in: float = 0.0
    more_memory: bool = False


def backoff(
    attempt: int,
    *,
    base: float = BACKOFF_BASE_SECONDS,
    cap: float = BACKOFF_CAP_SECONDS,
    rng: random.Random | None = None,
) -> float:
    """Seconds before the attempt after ``attempt``: exponential, with full jitter.

    Full jitter (uniform between 0 and the exponential bound) spreads a crowd of retries best; see "Exponential
    Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    bound = min(cap, base * 2.0 ** min(attempt - 1, 100))
    return (rng or random).uniform(0.0, bound)


def judge(
    job: ClaimedJob,
    error: PitcheyError | None,
    *,
    rules: Iterable[RetryRule] = (),
    backoff_base: float = BACKOFF_BASE_SECONDS,
) -> Verdict:
    """What follows from the way an attempt ended.

    The first rule that matches the error decides, and else its class: permanent errors fail the job at once; retryable
    ones do when its attempts are used up. A job that hit its memory limit gets one more attempt with one and a half
    times the memory. Attempts that were lost with their worker do not count; the store bounds those by itself.
    """
    if error is None:
        return Verdict(JobState.COMPLETED, AttemptOutcome.COMPLETED)
    if isinstance(error, Cancelled):
        return Verdict(JobState.CANCELLED, AttemptOutcome.CANCELLED)
    attempts = job.attempt - job.lost_count
    rule = rule_for(error, rules)
    if rule is not None:
        return _by_rule(rule, attempts, job.max_attempts, backoff_base)
    if attempts < job.max_attempts:
        if isinstance(error, LimitExceeded) and error.limit == "memory" and job.memory_factor == 1.0:
            return Verdict(JobState.SCHEDULED, AttemptOutcome.FAILED, more_memory=True)
        if error.retryable:
            base = backoff_base * (_SPACE_FACTOR if isinstance(error, OutOfSpace) else 1.0)
            wait = backoff(attempts, base=base)
            return Verdict(JobState.SCHEDULED, AttemptOutcome.FAILED, retry_in=wait)
    return Verdict(JobState.FAILED, AttemptOutcome.FAILED)


def _by_rule(rule: RetryRule, attempts: int, max_attempts: int, backoff_base: float) -> Verdict:
    most = max_attempts if rule.retries is None else rule.retries + 1
    if attempts >= most:
        return Verdict(JobState.FAILED, AttemptOutcome.FAILED)
    base = backoff_base if rule.backoff is None else rule.backoff
    cap = BACKOFF_CAP_SECONDS if rule.backoff_cap is None else rule.backoff_cap
    return Verdict(JobState.SCHEDULED, AttemptOutcome.FAILED, retry_in=backoff(attempts, base=base, cap=cap))
