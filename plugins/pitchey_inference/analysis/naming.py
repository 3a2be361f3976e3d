"""Genres that a text names itself: "a dark comedy", "fans of horror". A rule, and reported as such."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["named_genres"]

# Words that mean much else, such as "war" or "family", count before one of these only.
_FILM: Final = r"(?:films?|movies?|stor(?:y|ies)|pictures?|audiences?|fans?|viewers)\b"

_NAMES: Final[Mapping[str, re.Pattern[str]]] = {
    genre: re.compile(pattern, re.IGNORECASE)
    for genre, pattern in {
        "action": rf"\baction (?:\w+ )?{_FILM}|\baction-packed\b",
        "adventure": rf"\badventure (?:\w+ )?{_FILM}|\ban adventure\b",
        "comedy": r"\bcomed(?:y|ies)\b|\bfarce\b|\bsatire\b",
        "crime": rf"\b(?:crime|heist|gangster) (?:\w+ )?{_FILM}|\bcaper\b|\bfilm noir\b",
        "drama": r"\b(?:a|an|social|family|chamber|period) (?:\w+ )?drama\b",
        "family": rf"\bfamily (?:\w+ )?{_FILM}|\b(?:whole|entire) family\b|\bchildren's (?:\w+ )?{_FILM}",
        "fantasy": r"\bfantasy\b|\bfairy tale\b",
        "horror": r"\bhorror\b",
        "musical": rf"\bmusical\b|\bmusic {_FILM}",
        "mystery": r"\bwhodunn?it\b|\bmurder mystery\b|\ba (?:\w+ )?mystery\b",
        "romance": rf"\bromance\b|\bromantic\b|\brom-?com\b|\b(?:love|date) {_FILM}",
        "science fiction": r"\bscience[- ]fiction\b|\bsci-?fi\b",
        "sport": rf"\bsports? {_FILM}",
        "thriller": r"\bthriller\b",
        "war": rf"\b(?:anti-)?war {_FILM}",
        "western": r"\bwestern\b",
    }.items()
}


def named_genres(text: str) -> set[str]:
    """The genres whose names are in a text. "Not a comedy" names one, too."""
    return {genre for genre, pattern in _NAMES.items() if pattern.search(text)}
