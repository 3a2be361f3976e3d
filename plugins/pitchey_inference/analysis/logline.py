"""The sentence that can best stand for the whole pitch.

A heuristic: a logline names somebody by what they are, what they must do and what is in the way, in 15 to 40 words, and
is near to everything else in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pitchey_inference.analysis.cues import cue_strength
from pitchey_inference.analysis.readability import words_of
from pitchey_inference.analysis.results import Evidence, Logline
from pitchey_inference.sentences import Sentence

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["logline_of"]

_LEAST_WORDS: Final = 15
_MOST_WORDS: Final = 40
# Weights chosen on the tuning part of the evaluation set.
_CENTRALITY: Final = 1.0
_CUES: Final = 0.4
_LENGTH: Final = 0.4
_ASIDE: Final = 1.0
_UNNAMED: Final = 0.4
_PRONOUNS: Final = frozenset({"he", "she", "they", "it", "his", "her", "their", "its", "then", "but", "if"})


def logline_of(sentences: Sequence[Sentence], vectors: npt.NDArray[np.float32]) -> Logline:
    """The best candidate among sentences.

    Args:
        vectors: Of the sentences, each of length one.
    """
    worths = _worths([sentence.text for sentence in sentences], vectors)
    best = max(range(len(sentences)), key=lambda number: (worths[number], -number))
    chosen = sentences[best]
    words = len(words_of(chosen.text))
    return Logline(
        candidate=Evidence(
            sentence=best,
            start=chosen.start,
            end=chosen.end,
            text=chosen.text,
            strength=round(worths[best], 3),
        ),
        words=words,
        advice=_advice(chosen.text, words),
    )


def _worths(texts: Sequence[str], vectors: Any) -> list[float]:
    import numpy as np

    middle = vectors.mean(axis=0)
    near = (vectors @ middle) / max(float(np.linalg.norm(middle)), 1e-12)
    return [
        _CENTRALITY * float(near[number])
        + _CUES * sum(cue_strength(text, element) for element in ("protagonist", "goal", "obstacle"))
        + _LENGTH * _fit(len(words_of(text)))
        + _UNNAMED * text.lower().startswith(("a ", "an ", "two ", "when "))
        - _ASIDE * max(cue_strength(text, "comparables"), cue_strength(text, "audience"))
        - _CUES * (text.lower().split()[0].strip(",'") in _PRONOUNS)
        for number, text in enumerate(texts)
    ]


def _fit(words: int) -> float:
    """1 at a logline's usual length, less the further from it."""
    if words < _LEAST_WORDS:
        return words / _LEAST_WORDS
    return 1.0 if words <= _MOST_WORDS else _MOST_WORDS / words


def _advice(text: str, words: int) -> list[str]:
    advice = []
    if words < _LEAST_WORDS:
        advice.append(f"{words} words say little; a logline has {_LEAST_WORDS} to {_MOST_WORDS}")
    if words > _MOST_WORDS:
        advice.append(f"shorten it from {words} to at most {_MOST_WORDS} words")
    if cue_strength(text, "goal") == 0:
        advice.append("say what the protagonist must do")
    if cue_strength(text, "obstacle") == 0 and cue_strength(text, "stakes") == 0:
        advice.append("say what stands in the way, or what is at stake")
    return advice
