"""Names for outputs: short, safe on every file system, and recognisable."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath
from urllib.parse import unquote_to_bytes, urlsplit

__all__ = ["portable_stem", "shown_name", "stem_of"]

_MAX_BYTES = 120
_FALLBACK = "output"
# Names that Windows gives to devices, whatever their extension.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def portable_stem(text: str) -> str:
    """``text`` with everything replaced that some file system, URL or shell stumbles over.

    Letters and digits of any script, ``-``, ``_`` and ``.`` stay; the result has at most 120 bytes as UTF-8 and
    is never empty.
    """
    clean = "".join(c if c.isalnum() or c in "-_." else "-" for c in unicodedata.normalize("NFC", text))
    clean = "-".join(part for part in clean.split("-") if part)
    clean = clean.encode("utf-8", "ignore")[:_MAX_BYTES].decode("utf-8", "ignore").strip("-.")
    if not clean:
        return _FALLBACK
    return f"{clean}-" if clean.split(".")[0].lower() in _DEVICES else clean


def shown_name(url: str) -> str:
    """The file name in a path or URL, for messages."""
    is_url = "://" in url or url.startswith("file:")
    path = unquote_to_bytes(urlsplit(url).path).decode("utf-8", "replace") if is_url else url
    return PurePosixPath(path).name or url


def stem_of(url: str) -> str:
    """A portable stem from the name of an input: a path or any URL."""
    return portable_stem(PurePosixPath(shown_name(url).replace("\ufffd", "_")).stem)
