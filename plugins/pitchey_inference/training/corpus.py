"""The human-rated sentences in the source distribution of vaderSentiment, and how they are split.

Four sets of 20 ratings a sentence from -4 to 4, of which the mean is given: snippets of film reviews, tweets, product
reviews and editorials (Hutto and Gilbert, ICWSM 2014; MIT licence).
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["FOLDS", "SDIST_SHA256", "SETS", "TEST_SHARE", "Example", "read_corpus"]

SETS: Final = {
    "film": "movieReviewSnippets",
    "product": "amazonReviewSnippets",
    "tweets": "tweets",
    "editorial": "nytEditorialSnippets",
}
SDIST_SHA256: Final = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
TEST_SHARE: Final = 0.2
FOLDS: Final = 5
# Fixed before the settings of the head were chosen, which was done by cross-validation on the rest.
_SALT: Final = "pitchey-1"

_ARCHIVE: Final = "additional_resources/hutto_ICWSM_2014.tar.gz"
_FOLDER: Final = "hutto_ICWSM_2014"
_NOT_LETTERS: Final = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True, slots=True)
class Example:
    """A rated sentence.

    Attributes:
        rating: Mean of the raters, -4 to 4; never 0.
        group: What must not be torn apart: the review or article where the set says it, else the same words.
        held_out: Whether it is only ever tested on.
        fold: 0 to :data:`FOLDS` - 1, for cross-validation among the others.
    """

    text: str
    rating: float
    set: str
    group: str
    held_out: bool
    fold: int

    @property
    def positive(self) -> bool:
        return self.rating > 0


def read_corpus(sdist: Path) -> list[Example]:
    """All sentences that the raters did not find neutral on average, set by set, in the order of the files.

    Raises:
        ValueError: The file is not vaderSentiment-3.3.2.tar.gz.
    """
    data = sdist.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SDIST_SHA256:
        raise ValueError(f"{sdist.name} has the checksum {found}, vaderSentiment-3.3.2.tar.gz {SDIST_SHA256}")
    with tarfile.open(fileobj=io.BytesIO(data)) as outer:
        root = outer.getnames()[0].partition("/")[0]
        inner_data = _content(outer, f"{root}/{_ARCHIVE}")
    with tarfile.open(fileobj=io.BytesIO(inner_data)) as inner:
        return [
            example
            for name, stem in SETS.items()
            for example in _examples(name, _content(inner, f"{_FOLDER}/{stem}_GroundTruth.txt"))
        ]


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def _examples(name: str, data: bytes) -> list[Example]:
    rows = [line.rstrip("\r\n").split("\t") for line in data.decode("utf-8").split("\n")]
    return [
        _example(name, row)
        for row in rows
        if len(row) == 3 and float(row[1]) != 0 and _NOT_LETTERS.sub("", row[2].lower())
    ]


def _example(name: str, row: Sequence[str]) -> Example:
    number, rating, text = row
    # "309_7" is the seventh sentence of review 309.
    part = number.partition("_")[0] if "_" in number else _NOT_LETTERS.sub("", text.lower())
    group = f"{name}:{part}"
    share = _draw(f"{_SALT}:{group}") / 2**32
    return Example(
        text=text,
        rating=float(rating),
        set=name,
        group=group,
        held_out=share < TEST_SHARE,
        fold=_draw(f"{_SALT}:fold:{group}") % FOLDS,
    )


def _draw(words: str) -> int:
    """32 bits that depend on nothing but the words."""
    return int(hashlib.sha256(words.encode()).hexdigest()[:8], 16)
