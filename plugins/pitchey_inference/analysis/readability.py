"""How hard a text is to read, by two published formulas, and how long it is."""

from __future__ import annotations

import re
from typing import Final, Literal

from pitchey_inference.analysis.results import LengthCheck, Readability

__all__ = ["count_syllables", "length_check", "readability", "words_of"]

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_VOWELS: Final = re.compile(r"[aeiouyàáâäæèéêëìíîïòóôöùúûü]+")

# Kind, and the usual number of words. Script consultants ask for loglines of 25 to 50 words and one-page pitches;
# a convention of the trade, no measurement.
_NORMS: Final[tuple[tuple[Literal["logline", "pitch", "synopsis", "treatment"], int, int, int], ...]] = (
    ("logline", 60, 20, 50),
    ("pitch", 400, 100, 350),
    ("synopsis", 1500, 400, 1200),
    ("treatment", 10**9, 1500, 6000),
)


def words_of(text: str) -> list[str]:
    """The words of a text; ``well-known`` and ``it's`` are one each."""
    return _WORD.findall(text)


def count_syllables(word: str) -> int:
    """Syllables of an English word: groups of vowels, without a mute ``e`` at the end; at least one."""
    lower = word.lower()
    groups = len(_VOWELS.findall(lower))
    mute = lower.endswith("e") and not lower.endswith(("le", "ee", "ye", "oe"))
    ending = lower.endswith("ed") and not lower.endswith(("ted", "ded", "eed", "ied"))
    return max(1, groups - (mute or ending))


def readability(text: str, sentences: int) -> Readability:
    """Both formulas for a text of at least one word and one sentence."""
    words = words_of(text)
    syllables = sum(count_syllables(word) for word in words)
    count, sentences = max(1, len(words)), max(1, sentences)
    length, weight = count / sentences, syllables / count
    return Readability(
        words=len(words),
        sentences=sentences,
        syllables=syllables,
        flesch_reading_ease=round(206.835 - 1.015 * length - 84.6 * weight, 1),
        flesch_kincaid_grade=round(0.39 * length + 11.8 * weight - 15.59, 1),
        words_per_sentence=round(length, 1),
    )


def length_check(words: int) -> LengthCheck:
    """A length against the norm of its kind."""
    kind, _, least, most = next(norm for norm in _NORMS if words <= norm[1])
    verdict: Literal["short", "fitting", "long"] = (
        "short" if words < least else "long" if words > most else "fitting"
    )
    return LengthCheck(kind=kind, words=words, least=least, most=most, verdict=verdict)
