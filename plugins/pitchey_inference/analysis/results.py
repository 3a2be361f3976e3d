"""What the analysis of a pitch says. Every part names its method: measured by a model, or a rule."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Arc",
    "ArcPoint",
    "ElementCheck",
    "Evidence",
    "GenreShare",
    "LabelShare",
    "LengthCheck",
    "Logline",
    "Method",
    "PitchAnalysis",
    "PitchScore",
    "Readability",
    "ScorePart",
    "ThemeMatch",
]

Method = Literal["model", "heuristic", "formula"]
"""``model``: embeddings or a trained head, with its accuracy on the card. ``heuristic``: rules written by hand.
``formula``: a published formula."""


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Evidence(_Result):
    """A sentence: ``text == whole[start:end]``, in characters.

    Attributes:
        sentence: Its number, from 0.
        strength: 0 to 1; comparable within one element only.
    """

    sentence: int
    start: int
    end: int
    text: str
    strength: float


class LabelShare(_Result):
    """A label and its share of the distribution; not a calibrated probability."""

    label: str
    share: float


class GenreShare(LabelShare):
    """A genre.

    Attributes:
        similarity: Mean cosine similarity of the sentences with the genre's nearest descriptions.
        named: The text says its name ("a dark comedy"), for which it gains a similarity of 0.1: a heuristic.
    """

    similarity: float
    named: bool = False


class ThemeMatch(_Result):
    """A theme, how near the text is to it (cosine), and the sentence that is nearest."""

    theme: str
    similarity: float
    evidence: Evidence


class ArcPoint(_Result):
    """The feeling of a sentence: -1 (negative) to 1 (positive), and its mean with its neighbours'."""

    sentence: int
    feeling: float
    smoothed: float


class Arc(_Result):
    """How the feeling moves from the beginning to the end.

    Attributes:
        change: Mean of the last third less mean of the first, -2 to 2.
        direction: ``flat`` within ±0.05.
    """

    method: Method = "model"
    points: list[ArcPoint]
    begins: float
    ends: float
    change: float
    direction: Literal["rise", "fall", "flat"]


class Logline(_Result):
    """The sentence that can best stand for all."""

    method: Method = "heuristic"
    candidate: Evidence
    words: int
    advice: list[str] = Field(default_factory=list)


class ElementCheck(_Result):
    """Whether an element of a pitch is there.

    Attributes:
        advice: What to do where it is not.
    """

    method: Method = "heuristic"
    element: str
    present: bool
    evidence: list[Evidence] = Field(default_factory=list)
    advice: str | None = None


class Readability(_Result):
    """Formulas for English.

    Attributes:
        flesch_reading_ease: Flesch 1948; 60 to 70 is plain English, lower is harder.
        flesch_kincaid_grade: Kincaid et al. 1975: years of school in the United States.
        syllables: Counted by groups of vowels: a few per cent off.
    """

    method: Method = "formula"
    words: int
    sentences: int
    syllables: int
    flesch_reading_ease: float
    flesch_kincaid_grade: float
    words_per_sentence: float


class LengthCheck(_Result):
    """Length against the usual one of its kind, in words.

    Attributes:
        kind: ``logline`` up to 60 words, ``pitch`` up to 400, then ``synopsis`` up to 1,500, then ``treatment``.
    """

    method: Method = "heuristic"
    kind: Literal["logline", "pitch", "synopsis", "treatment"]
    words: int
    least: int
    most: int
    verdict: Literal["short", "fitting", "long"]


class ScorePart(_Result):
    """A part of the score: ``points`` of ``most``, and why."""

    name: str
    points: float
    most: float
    why: str


class PitchScore(_Result):
    """How complete and presentable a pitch is, 0 to 100: the sum of its parts. It says nothing of how good the film
    would be."""

    method: Method = "heuristic"
    total: float
    parts: list[ScorePart]


class PitchAnalysis(_Result):
    """The analysis of a pitch.

    Attributes:
        genres, tones: Most likely first.
        themes: At most three, nearest first.
        structure: The eight elements.
        notes: What the reader should know of these figures.
    """

    genre: str
    genres: list[GenreShare]
    tone: str
    tones: list[LabelShare]
    arc: Arc
    logline: Logline
    themes: list[ThemeMatch]
    structure: list[ElementCheck]
    readability: Readability
    length: LengthCheck
    score: PitchScore
    temperature: float
    notes: list[str] = Field(default_factory=list)
