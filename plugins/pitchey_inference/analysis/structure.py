"""Which elements of a pitch are there, and in which sentences.

By cues alone (:mod:`~pitchey_inference.analysis.cues`): a heuristic, whose hits and misses are counted on the card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pitchey_inference.analysis.cues import ELEMENTS, Element, cue_strength
from pitchey_inference.analysis.results import ElementCheck, Evidence
from pitchey_inference.sentences import Sentence

__all__ = ["check_structure", "strengths_of"]

# Below, a cue is too common to count. Chosen on the tuning part of the evaluation set, as the next two.
_LEAST: Final[Mapping[Element, float]] = {
    "protagonist": 0.6,
    "goal": 0.6,
    "obstacle": 0.5,
    "stakes": 0.5,
    "setting": 0.6,
    "hook": 0.5,
    "comparables": 0.7,
    "audience": 0.8,
}
_MOST_SENTENCES: Final = 2
# People are introduced early: what the last sentence says of somebody counts this much less.
_LATE: Final = 0.3
_HINTS: Final[Mapping[Element, str]] = {
    "protagonist": "name the person whom the film follows, with a trait",
    "goal": "say what the protagonist wants",
    "obstacle": "say who or what stands in the way",
    "stakes": "say what is lost if the protagonist fails",
    "setting": "say where and when it takes place",
    "hook": "say what makes it unlike other films: a contradiction, or a question",
    "comparables": "name one or two films that it can be compared with",
    "audience": "say whom it is for",
}


def strengths_of(sentences: Sequence[str], element: Element) -> list[float]:
    """How strong an element's cues are in each sentence, 0 to 1."""
    last = max(1, len(sentences) - 1)
    late = _LATE if element == "protagonist" else 0.0
    return [cue_strength(text, element) * (1 - late * number / last) for number, text in enumerate(sentences)]


def check_structure(sentences: Sequence[Sentence]) -> list[ElementCheck]:
    """The eight elements, each with the sentences that are evidence of it (at most two, in the text's order)."""
    texts = [sentence.text for sentence in sentences]
    checks = []
    for element in ELEMENTS:
        strengths = strengths_of(texts, element)
        found = [number for number, strength in enumerate(strengths) if strength >= _LEAST[element]]
        best = sorted(found, key=lambda number: (-strengths[number], number))[:_MOST_SENTENCES]
        evidence = [
            Evidence(
                sentence=number,
                start=sentences[number].start,
                end=sentences[number].end,
                text=sentences[number].text,
                strength=round(strengths[number], 3),
            )
            for number in sorted(best)
        ]
        checks.append(
            ElementCheck(
                element=element,
                present=bool(evidence),
                evidence=evidence,
                advice=None if evidence else _HINTS[element],
            )
        )
    return checks
