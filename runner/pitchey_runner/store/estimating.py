"""What a job will take, from what such jobs have taken: the nearest in size count, and of those the middle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pitchey_runner.store.queue_records import Estimate, Range

__all__ = ["RECENT", "Sample", "estimate_from"]

RECENT = 500
"""So many of the latest completed attempts are looked at: processors and machines change."""

_NEAREST = 50


@dataclass(frozen=True, slots=True)
class Sample:
    """A completed attempt."""

    input_bytes: int | None
    wall_us: int
    cpu_us: int
    peak_memory_bytes: int
    cost_nanos: int


def estimate_from(job_type: str, samples: Sequence[Sample], input_bytes: int | None) -> Estimate | None:
    """Estimate a job from samples, the latest first.

    Sizes are compared by their ratio. Where the size is not known, here or of the samples, all count.
    """
    known = [each for each in samples if each.input_bytes is not None]
    if input_bytes is not None and known:
        wanted = math.log2(input_bytes + 1)
        samples = sorted(known, key=lambda each: abs(math.log2((each.input_bytes or 0) + 1) - wanted))
        samples = samples[:_NEAREST]
    if not samples:
        return None
    sizes = [each.input_bytes for each in samples if each.input_bytes is not None]
    return Estimate(
        type=job_type,
        samples=len(samples),
        least_bytes=min(sizes, default=None),
        most_bytes=max(sizes, default=None),
        wall_seconds=_range([each.wall_us / 1e6 for each in samples]),
        cpu_seconds=_range([each.cpu_us / 1e6 for each in samples]),
        peak_memory_bytes=_range([each.peak_memory_bytes for each in samples]),
        cost_nanos=_range([each.cost_nanos for each in samples]),
    )


def _range(values: Sequence[float]) -> Range:
    ordered = sorted(values)
    return Range(_at(ordered, 0.5), _at(ordered, 0.95))


def _at(ordered: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all do not exceed, so it is one that was really seen."""
    return ordered[math.ceil(share * len(ordered)) - 1]
