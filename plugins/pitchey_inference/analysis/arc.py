"""How the feeling of a text moves, by the judge of sentiment, sentence by sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from pitchey_inference.analysis.results import Arc, ArcPoint

__all__ = ["arc_of"]

# Chosen on the tuning part of the evaluation set.
_FLAT: Final = 0.05
_NEIGHBOURS: Final = 1


def arc_of(positive: Sequence[float]) -> Arc:
    """The arc of sentences.

    Args:
        positive: Probability of each sentence that it is positive; at least one.
    """
    feelings = [2 * probability - 1 for probability in positive]
    third = math.ceil(len(feelings) / 3)
    begins, ends = _mean(feelings[:third]), _mean(feelings[-third:])
    change = ends - begins if len(feelings) > 1 else 0.0
    direction: Literal["rise", "fall", "flat"] = (
        "flat" if abs(change) <= _FLAT else "rise" if change > 0 else "fall"
    )
    points = [
        ArcPoint(
            sentence=number,
            feeling=round(feeling, 4),
            smoothed=round(_mean(feelings[max(0, number - _NEIGHBOURS) : number + _NEIGHBOURS + 1]), 4),
        )
        for number, feeling in enumerate(feelings)
    ]
    return Arc(
        points=points,
        begins=round(begins, 4),
        ends=round(ends, 4),
        change=round(change, 4),
        direction=direction,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
