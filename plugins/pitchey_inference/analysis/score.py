"""A score that explains itself: how complete and presentable a pitch is, not how good the film would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pitchey_inference.analysis.results import (
    ElementCheck,
    GenreShare,
    LengthCheck,
    Logline,
    PitchScore,
    Readability,
    ScorePart,
)

__all__ = ["score_of"]

# Points of 100. A judgement of what a reader looks for first, not a measurement.
_ELEMENT_POINTS: Final[Mapping[str, float]] = {
    "protagonist": 12,
    "goal": 12,
    "obstacle": 10,
    "stakes": 10,
    "hook": 8,
    "setting": 6,
    "comparables": 4,
    "audience": 4,
}
_LOGLINE_POINTS: Final = 10.0
_GENRE_POINTS: Final = 8.0
_READING_POINTS: Final = 8.0
_LENGTH_POINTS: Final = 8.0
# Of 16 genres an even distribution gives each 0.06; one that has half of it is clear.
_CLEAR_SHARE: Final = 0.5
_EASY: Final = 50.0
_HARD: Final = 0.0


def score_of(
    structure: Sequence[ElementCheck],
    logline: Logline,
    genres: Sequence[GenreShare],
    reading: Readability,
    length: LengthCheck,
) -> PitchScore:
    """The sum of parts that each say why.

    Args:
        genres: At temperature 1, so that the score does not depend on the job's.
    """
    parts = [_element(check) for check in structure]
    parts.append(
        ScorePart(
            name="logline",
            points=max(0.0, _LOGLINE_POINTS - 3 * len(logline.advice)),
            most=_LOGLINE_POINTS,
            why="; ".join(logline.advice) or "the best sentence has the length and the parts of a logline",
        )
    )
    share = genres[0].share
    parts.append(
        ScorePart(
            name="genre",
            points=round(_GENRE_POINTS * min(1.0, share / _CLEAR_SHARE), 1),
            most=_GENRE_POINTS,
            why=f"{genres[0].label} has {share:.0%} of the distribution at temperature 1; {_CLEAR_SHARE:.0%} is clear",
        )
    )
    ease = reading.flesch_reading_ease
    parts.append(
        ScorePart(
            name="readability",
            points=round(_READING_POINTS * min(1.0, max(0.0, (ease - _HARD) / (_EASY - _HARD))), 1),
            most=_READING_POINTS,
            why=f"Flesch reading ease {ease}; {_EASY:.0f} and above is full marks",
        )
    )
    parts.append(
        ScorePart(
            name="length",
            points=round(_LENGTH_POINTS * _length_fit(length), 1),
            most=_LENGTH_POINTS,
            why=f"{length.words} words; a {length.kind} usually has {length.least} to {length.most}",
        )
    )
    return PitchScore(total=round(sum(part.points for part in parts), 1), parts=parts)


def _element(check: ElementCheck) -> ScorePart:
    most = _ELEMENT_POINTS[check.element]
    sentences = ", ".join(str(each.sentence + 1) for each in check.evidence)
    return ScorePart(
        name=check.element,
        points=most if check.present else 0.0,
        most=most,
        why=f"found in sentence {sentences}" if check.present else f"not found: {check.advice}",
    )


def _length_fit(length: LengthCheck) -> float:
    if length.words < length.least:
        return length.words / length.least
    return min(1.0, length.most / length.words)
