"""Words, pairs of words and parts of words as numbers of a fixed range: the second input of the head.

Training and use call the same function, which depends on no locale, no vocabulary file and no hash seed.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["BUCKETS", "MAX_WORDS", "bucket_rows", "buckets_of", "feeds", "words_of"]

BUCKETS: Final = 2**18
"""Number of buckets; also the number that pads a row, whose weight is zero."""

MAX_WORDS: Final = 512
"""Words of a text that are read; the encoder stops at 256 tokens in any case."""

_PARTS: Final = (4, 5)
_QUOTES: Final = str.maketrans({"\u2018": "'", "\u2019": "'"})
_WORD: Final = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[!?]")


def words_of(text: str) -> list[str]:
    """Lower-case words, with ``!`` and ``?`` as words of their own: they carry feeling."""
    return _WORD.findall(text.translate(_QUOTES).lower())


def buckets_of(text: str) -> list[int]:
    """The buckets of a text's words, pairs of neighbouring words and parts of words, each once, in ascending order.

    Parts are four and five neighbouring letters of a word between ``<`` and ``>``. CRC-32 spreads them well enough,
    and is the same everywhere.
    """
    words = words_of(text)[:MAX_WORDS]
    grams = {*words, *(f"{first} {second}" for first, second in itertools.pairwise(words))}
    for word in set(words):
        framed = f"<{word}>"
        grams.update(
            f"#{framed[start : start + size]}" for size in _PARTS for start in range(len(framed) - size + 1)
        )
    return sorted({zlib.crc32(gram.encode()) % BUCKETS for gram in grams})


def bucket_rows(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """The buckets of texts, shape ``[len(texts), longest]`` with at least one column, padded with :data:`BUCKETS`."""
    import numpy as np

    rows = [buckets_of(text) for text in texts]
    table = np.full((len(rows), max([1, *(len(row) for row in rows)])), BUCKETS, np.int64)
    for number, row in enumerate(rows):
        table[number, : len(row)] = row
    return table


def feeds(texts: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    """The inputs of the head beside the embedding, by name."""
    return {"buckets": bucket_rows(texts)}
