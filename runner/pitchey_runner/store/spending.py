"""Periods and thresholds of budgets: the arithmetic that every driver shares. Microseconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from pitchey_runner.store.queue_records import THRESHOLDS, BudgetPeriod

__all__ = ["period_around", "reached"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_DAY_MICROS = _DAY // timedelta(microseconds=1)


def period_around(period: BudgetPeriod, now: int) -> tuple[int, int | None]:
    """Start and end of the period that holds ``now``; one that never ends starts at 0."""
    if period is BudgetPeriod.TOTAL:
        return 0, None
    return _around_day(period, now // _DAY_MICROS)


@lru_cache(maxsize=64)
def _around_day(period: BudgetPeriod, day: int) -> tuple[int, int]:
    """Each write asks for the same days."""
    start = _EPOCH + day * _DAY
    end = start + _DAY
    if period is BudgetPeriod.MONTH:
        start = start.replace(day=1)
        end = (start + 31 * _DAY).replace(day=1)
    return _micros(start), _micros(end)


def reached(before: int, after: int, limit: int) -> list[int]:
    """Thresholds, in per cent of ``limit``, that lie above ``before`` and not above ``after``."""
    return [each for each in THRESHOLDS if before * 100 < each * limit <= after * 100]


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
