"""Token buckets as one number each: the moment at which the bucket will be full. Microseconds since 1970 UTC.

This is the generic cell rate algorithm (ITU-T I.371) with a burst of the whole count.
"""

from __future__ import annotations

__all__ = ["available", "next_start", "taken"]


def available(full_at: int | None, now: int, count: int, period: int) -> int:
    """Starts that a bucket allows now; ``count`` of them each ``period``."""
    missing = max(0, (full_at or 0) - now)
    return max(0, count - -(-missing // _interval(count, period)))


def next_start(full_at: int | None, now: int, count: int, period: int) -> int:
    """When a bucket allows the next start; ``now``, if it does."""
    return max(now, (full_at or 0) - (count - 1) * _interval(count, period))


def taken(full_at: int | None, now: int, count: int, period: int, starts: int) -> int:
    """When a bucket will be full after so many starts now."""
    return max(full_at or 0, now) + starts * _interval(count, period)


def _interval(count: int, period: int) -> int:
    return -(-period // count)
