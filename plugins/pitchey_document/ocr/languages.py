"""Languages: Tesseract's codes, the shorter ones people write, and the packages that bring their data."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from pitchey_core.errors import InputError
from pitchey_core.tools import os_families

__all__ = ["as_codes", "missing_language"]

_SHORT = {
    "af": "afr", "ar": "ara", "be": "bel", "bg": "bul", "bn": "ben", "ca": "cat", "cs": "ces", "cy": "cym",
    "da": "dan", "de": "deu", "el": "ell", "en": "eng", "eo": "epo", "es": "spa", "et": "est", "eu": "eus",
    "fa": "fas", "fi": "fin", "fr": "fra", "ga": "gle", "gl": "glg", "gu": "guj", "he": "heb", "hi": "hin",
    "hr": "hrv", "hu": "hun", "hy": "hye", "id": "ind", "is": "isl", "it": "ita", "ja": "jpn", "ka": "kat",
    "kk": "kaz", "kn": "kan", "ko": "kor", "la": "lat", "lt": "lit", "lv": "lav", "mk": "mkd", "ml": "mal",
    "mr": "mar", "ms": "msa", "mt": "mlt", "nb": "nor", "nl": "nld", "nn": "nor", "no": "nor", "pa": "pan",
    "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus", "sk": "slk", "sl": "slv", "sq": "sqi", "sr": "srp",
    "sv": "swe", "sw": "swa", "ta": "tam", "te": "tel", "th": "tha", "tr": "tur", "uk": "ukr", "ur": "urd",
    "vi": "vie", "zh": "chi_sim", "zh-cn": "chi_sim", "zh-hans": "chi_sim", "zh-hant": "chi_tra", "zh-tw": "chi_tra",
}  # fmt: skip
"""ISO 639-1 to the names of Tesseract's data files."""

_PACKAGES = {
    "debian": "apt install tesseract-ocr-{dashed}",
    "fedora": "dnf install tesseract-langpack-{code}",
    "arch": "pacman -S tesseract-data-{code}",
    "alpine": "apk add tesseract-ocr-data-{code}",
    "macos": "brew install tesseract-lang",
}


def as_codes(languages: Iterable[str]) -> tuple[str, ...]:
    """Tesseract's codes, each once, in the order given; ``"deu+eng"`` counts as two."""
    names = [name.strip() for each in languages for name in each.split("+")]
    return tuple(dict.fromkeys(_SHORT.get(name.lower(), name) for name in names if name))


def missing_language(code: str, installed: Sequence[str], program: str) -> InputError:
    """The error for a language without data; its remedy is the command for this system."""
    known = [*installed, *_SHORT.values()]
    close = [] if code in known else difflib.get_close_matches(code, known, n=2, cutoff=0.6)
    guess = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    template = next((_PACKAGES[family] for family in os_families() if family in _PACKAGES), None)
    file = f"put {code}.traineddata beside the others"
    install = f"{template.format(code=code, dashed=code.replace('_', '-'))}, or {file}" if template else file
    return InputError(
        f"language {code!r} is not installed for {program}; it has {', '.join(installed) or 'none'}",
        remedy=f"{guess}{install}",
    )
