"""``pitch-analyzer-v2``: the whole analysis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from pitchey_core.errors import InputError
from pitchey_inference.analysis.arc import arc_of
from pitchey_inference.analysis.labels import GENRES, THEMES, TONE_USUAL, TONES, Ruler, distribution
from pitchey_inference.analysis.logline import logline_of
from pitchey_inference.analysis.naming import named_genres
from pitchey_inference.analysis.readability import length_check, readability
from pitchey_inference.analysis.results import (
    ElementCheck,
    Evidence,
    GenreShare,
    LabelShare,
    PitchAnalysis,
    ThemeMatch,
)
from pitchey_inference.analysis.score import score_of
from pitchey_inference.analysis.structure import check_structure
from pitchey_inference.sentences import Sentence, split_sentences

if TYPE_CHECKING:
    from pitchey_inference.analysis.labels import Encode, Vectors

__all__ = ["Judge", "PitchAnalyzer"]

Judge = Callable[[Sequence[str], "Vectors"], Sequence[float]]
"""The probability of each text that it is positive, from the texts and their embeddings."""

# What a genre gains whose name is in the text: more than similarities usually differ by.
_NAMED: Final = 0.1
_THEMES: Final = 3
_ASIDES: Final = ("comparables", "audience")
# Scales of the distributions at temperature 1: those of the least log loss on the tuning part.
_GENRE_SCALE: Final = 0.04
_TONE_SCALE: Final = 0.03
_NOTES: Final = (
    "Genres, tones and themes are those whose descriptions are nearest to the text; shares are no probabilities.",
    "Structure, logline, length and score are rules written by hand; the model card says how often they are right.",
    "Made and measured for English.",
)


class PitchAnalyzer:
    """Analyses pitches. The same text gives the same analysis.

    Args:
        encode: Texts to vectors of length one: :meth:`pitchey_inference.runtime.encoder.Encoder.encode`.
        judge: Of sentiment.

    Attributes:
        judge: That one.
    """

    def __init__(self, encode: Encode, judge: Judge) -> None:
        self._encode = encode
        self.judge = judge
        self._genres = Ruler(GENRES, encode, nearest=3)
        self._tones = Ruler(TONES, encode, nearest=1)
        self._themes = Ruler(THEMES, encode, nearest=2)

    def analyze(self, text: str, temperature: float = 1.0) -> PitchAnalysis:
        """Analyse a pitch.

        Args:
            temperature: Scales the distribution of genres and tones: above 1 flattens, below 1 sharpens. Orders
                nothing anew.

        Raises:
            InputError: The text has no sentence, or the temperature is not above 0.
        """
        if not temperature > 0:
            raise InputError(f"temperature is {temperature}", remedy="give a number above 0, such as 0.7")
        sentences = split_sentences(text)
        if not sentences:
            raise InputError("the text has no sentences", remedy="give a pitch of at least one sentence")
        vectors = self._encode([sentence.text for sentence in sentences])
        return self.analyze_sentences(text, sentences, vectors, temperature)

    def analyze_sentences(
        self,
        text: str,
        sentences: Sequence[Sentence],
        vectors: Vectors,
        temperature: float = 1.0,
        *,
        positive: Sequence[float] | None = None,
    ) -> PitchAnalysis:
        """The same for a text whose sentences (at least one) have been split and encoded already.

        Args:
            positive: What the judge says of them, where it has been asked.
        """
        if positive is None:
            positive = self.judge([sentence.text for sentence in sentences], vectors)
        genres = self._genre_shares(text, vectors, temperature)
        tones = self._tone_shares(vectors, temperature)
        structure = check_structure(sentences)
        logline = logline_of(sentences, vectors)
        reading = readability(text, len(sentences))
        length = length_check(reading.words)
        return PitchAnalysis(
            genre=genres[0].label,
            genres=genres,
            tone=tones[0].label,
            tones=tones,
            arc=arc_of(positive),
            logline=logline,
            themes=self._theme_matches(sentences, vectors, structure),
            structure=structure,
            readability=reading,
            length=length,
            score=score_of(structure, logline, self._genre_shares(text, vectors, 1.0), reading, length),
            temperature=temperature,
            notes=list(_NOTES),
        )

    def _genre_shares(self, text: str, vectors: Vectors, temperature: float) -> list[GenreShare]:
        near = _means(self._genres.measure(vectors))
        named = named_genres(text)
        worths = [
            value + _NAMED * (label in named) for label, value in zip(self._genres.labels, near, strict=True)
        ]
        shares = distribution(worths, _GENRE_SCALE * temperature)
        order = sorted(range(len(worths)), key=lambda number: (-worths[number], number))
        return [
            GenreShare(
                label=self._genres.labels[number],
                share=round(shares[number], 4),
                similarity=round(near[number], 4),
                named=self._genres.labels[number] in named,
            )
            for number in order
        ]

    def _tone_shares(self, vectors: Vectors, temperature: float) -> list[LabelShare]:
        near = _means(self._tones.measure(vectors))
        above = [value - TONE_USUAL[label] for label, value in zip(self._tones.labels, near, strict=True)]
        shares = distribution(above, _TONE_SCALE * temperature)
        order = sorted(range(len(above)), key=lambda number: (-above[number], number))
        return [LabelShare(label=self._tones.labels[each], share=round(shares[each], 4)) for each in order]

    def _theme_matches(
        self, sentences: Sequence[Sentence], vectors: Vectors, structure: Sequence[ElementCheck]
    ) -> list[ThemeMatch]:
        """Those of which two sentences speak most. What is said of other films and of viewers is no theme."""
        asides = {each.sentence for check in structure if check.element in _ASIDES for each in check.evidence}
        story = [number for number in range(len(sentences)) if number not in asides]
        story = story or list(range(len(sentences)))
        rows = self._themes.measure(vectors[story])
        found = []
        for place, label in enumerate(self._themes.labels):
            column = [row[place] for row in rows]
            order = sorted(range(len(column)), key=lambda number: (-column[number], number))
            best = [column[number] for number in order[:2]]
            found.append((sum(best) / len(best), label, story[order[0]], best[0]))
        found.sort(key=lambda each: (-each[0], each[1]))
        return [
            ThemeMatch(
                theme=label, similarity=round(worth, 4), evidence=_evidence(sentences, number, strength)
            )
            for worth, label, number, strength in found[:_THEMES]
        ]


def _evidence(sentences: Sequence[Sentence], number: int, strength: float) -> Evidence:
    sentence = sentences[number]
    return Evidence(
        sentence=number,
        start=sentence.start,
        end=sentence.end,
        text=sentence.text,
        strength=round(strength, 4),
    )


def _means(rows: Sequence[Sequence[float]]) -> list[Any]:
    """The mean of each column."""
    return [sum(column) / len(column) for column in zip(*rows, strict=True)]
