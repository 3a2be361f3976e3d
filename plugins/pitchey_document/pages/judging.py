"""Is a text layer good, or does the page have to be recognised?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pitchey_document.pages.sources import Page

__all__ = ["OCR_OFF", "Decision", "decide", "judge", "tidy"]

OCR_OFF: Final = "OCR is off"
_FEW_CHARACTERS: Final = 40
"""A scan with less than this beside its picture has a stamp or a page number for a text layer."""
_LARGE_PICTURE: Final = 0.5
_JUNK_SHARE: Final = 0.1
_WORDLESS_SHARE: Final = 0.35
_LEAST_WORDS: Final = 12
_LATIN_SHARE: Final = 0.5
_SAMPLE: Final = 600
"""Characters in which words are looked at; a font has a wrong table for all of them."""
_NO_TEXT: Final = re.compile(
    # Control characters, the private use areas, the replacement character, and halves of pairs.
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ue000-\uf8ff\ufffd\ud800-\udfff\U000f0000-\U0010ffff]"
)
_GLYPH_NAMES: Final = re.compile(r"\(cid:\d+\)|/g\d{1,5}\b")
_CUT_WORD: Final = re.compile("([a-zß-ɏ])[\ufffe\x02]\n?(?=[a-zß-ɏ])")
_CUT: Final = re.compile("[\ufffe\x02]\n?")
_LATIN_WORD: Final = re.compile("[a-z\u00df-\u024f]{2,}")
_VOWELS: Final = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýÿœ")


Finding = Literal["good", "blank", "off", "asked", "missing", "junk", "stamp"]
"""What is the matter with a page; ``stamp``: its text layer is next to nothing beside a picture of the page."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where the text of a page comes from, and why, in words."""

    finding: Finding
    reason: str

    @property
    def recognise(self) -> bool:
        return self.finding in {"asked", "missing", "junk", "stamp"}


def tidy(text: str) -> str:
    """A text layer with one kind of line end, words that a line break has cut joined, and no NULs."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    # Between pages it means something.
    text = text.replace("\f", "\n")
    # PDFium writes U+FFFE for a hyphen at the end of a line, and U+0002 in older versions.
    if "\ufffe" in text or "\x02" in text:
        text = _CUT.sub("-", _CUT_WORD.sub(r"\1", text))
    return text.strip("\n")


def judge(text: str) -> str | None:
    """What is wrong with a text layer; ``None`` if it is good.

    Counts characters that no text has (private use, replacement and control characters, names of glyphs), which a font
    without a Unicode table leaves, and, for Latin script, tokens that are no words of any language.
    """
    if not text.strip():
        return "there is no text layer"
    # Near enough, in a tenth of the time that splitting takes.
    visible = len(text) - text.count(" ") - text.count("\n")
    # Searched first: most pages have none, and then nothing is counted.
    bad = sum(map(len, _NO_TEXT.findall(text))) if _NO_TEXT.search(text) else 0
    bad += sum(map(len, _GLYPH_NAMES.findall(text))) if "(cid:" in text or "/g" in text else 0
    if bad > visible * _JUNK_SHARE:
        return (
            f"{bad / visible:.0%} of the text layer's characters are no text (a font without a Unicode table)"
        )
    lower = text[:_SAMPLE].lower()
    words = _LATIN_WORD.findall(lower)
    if len(words) >= _LEAST_WORDS and sum(map(len, words)) > _LATIN_SHARE * min(visible, _SAMPLE):
        wordless = sum(map(_VOWELS.isdisjoint, words))
        if wordless > len(words) * _WORDLESS_SHARE:
            return f"{wordless / len(words):.0%} of the text layer's words have no vowel (a font with a wrong table)"
    return None


def decide(mode: str, text: str, page: Page) -> Decision:
    """Whether to recognise a page.

    Args:
        mode: ``auto``, ``always`` or ``never``.
        text: Its text layer.
    """
    wrong = judge(text)
    if mode == "never":
        return Decision("off", OCR_OFF + (f"; {wrong}" if wrong else ""))
    if not text.strip() and page.is_empty():
        return Decision("blank", "the page is blank")
    if mode == "always":
        return Decision("asked", "OCR was asked for")
    if wrong is not None:
        return Decision("junk" if text.strip() else "missing", wrong)
    count = sum(map(len, text.split()))
    if count < _FEW_CHARACTERS and (share := page.pictured()[0]) >= _LARGE_PICTURE:
        return Decision(
            "stamp", f"a picture covers {share:.0%} of the page and the text layer has {count} characters"
        )
    return Decision("good", "the text layer is good")
