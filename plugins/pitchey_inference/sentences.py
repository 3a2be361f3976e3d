"""Sentences of a text, with where they stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["Sentence", "split_sentences"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence: ``text == whole[start:end]``, counted in characters."""

    text: str
    start: int
    end: int


# A full stop behind these ends no sentence.
_ABBREVIATIONS: Final = frozenset({
    "mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "etc", "e.g", "i.e", "cf", "al", "inc", "ltd",
    "co", "corp", "no", "nr", "vol", "fig", "pp", "ca", "approx", "dept", "est", "gen", "col", "capt", "lt",
    "sgt", "rev", "hon", "gov", "sen", "rep", "int", "ext", "feat", "ep", "z.b", "d.h", "u.a", "bzw", "usw",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
})  # fmt: skip
# Behind these only where a number follows: "No. 5", but "I said no."
_BEFORE_NUMBERS: Final = frozenset({"no", "nr", "vol", "fig", "pp", "ep", "ca", "approx"})
_AMBIGUOUS: Final = frozenset({"inc", "ltd", "co", "corp", "etc", "jr", "sr", "al"})
_CLOSING: Final = r"[\"'\u201d\u2019\u00bb)\]]*"
_END: Final = re.compile(
    rf"(?P<mark>[.!?\u2026]+)(?P<close>{_CLOSING})(?P<gap>\s+|$)"
    # Scripts that put no space between sentences.
    rf"|(?P<wide>[\u3002\uff01\uff1f]+[\u300d\u300f\u201d]*)\s*"
    r"|(?P<break>\n[ \t]*\n\s*)"
)
_LAST_WORD: Final = re.compile(r"([^\W\d_](?:[^\W\d_]|\.(?=[^\W\d_]))*)$")
_OPENING: Final = "\"'\u201c\u2018\u00ab([-\u2013\u2014*\u2022 "


def split_sentences(text: str) -> list[Sentence]:
    """The sentences of a text, in order, without the white space around them.

    A sentence ends at ``.``, ``!``, ``?`` or ``…`` (with closing quotes and brackets) before white space, and at an
    empty line. A full stop does not end one behind an abbreviation or an initial, nor where the text goes on with a
    small letter.
    """
    return list(_sentences(text))


def _sentences(text: str) -> Iterator[Sentence]:
    start = 0
    for match in _END.finditer(text):
        if match["mark"] is not None and not _ends(text, start, match):
            continue
        end = match.start() if match["break"] is not None else max(match.end("close"), match.end("wide"))
        yield from _trimmed(text, start, end)
        start = match.end()
    yield from _trimmed(text, start, len(text))


def _trimmed(text: str, start: int, end: int) -> Iterator[Sentence]:
    piece = text[start:end]
    stripped = piece.strip()
    if any(character.isalnum() for character in stripped):
        begin = start + piece.index(stripped)
        yield Sentence(stripped, begin, begin + len(stripped))


def _ends(text: str, start: int, match: re.Match[str]) -> bool:
    after = text[match.end() : match.end() + 8].lstrip(_OPENING)
    mark = match["mark"]
    if after[:1].islower() and "\n" not in match["gap"]:
        # "Stop!" he said.  Yahoo! is …
        return False
    if mark != ".":
        return True
    word_match = _LAST_WORD.search(text, max(start, match.start() - 24), match.start())
    if word_match is None:
        return True
    word = word_match[1]
    if len(word) == 1 and word.isupper() and word != "I":
        # An initial: J. R. R. Tolkien.
        return not after[:1].isupper()
    lower = word.lower()
    if lower in _BEFORE_NUMBERS:
        return not after[:1].isdigit()
    if lower in _AMBIGUOUS:
        return after == "" or after[:1].isupper()
    return lower not in _ABBREVIATIONS
