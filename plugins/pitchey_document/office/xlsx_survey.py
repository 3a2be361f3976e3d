"""How large a worksheet would become in memory, found without parsing it in nearly every case."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

__all__ = ["Survey", "longest_string", "survey"]

_PIECE: Final = 1024 * 1024
_STRINGS: Final = "xl/sharedStrings.xml"
_LARGE_STRINGS: Final = 64 * 1024**2
_COLUMNS: Final = 16_384
_LETTER_COLUMNS: Final = (0, 26, 26 + 26**2, _COLUMNS)
_WIDEST: Final = tuple(re.compile(rb'<c r="[A-Z]{%d}\d' % letters) for letters in (1, 2, 3))
_CELL: Final = re.compile(rb'<c r="[A-Z]{1,3}(\d{1,7})"')
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})(\d{1,7})")
# Up to here the coarse bounds of the quick look are good enough.
_ENOUGH_CELLS: Final = 4_000_000
_ENOUGH_CHARACTERS: Final = 256 * 1024**2


@dataclass(slots=True)
class Survey:
    """Bounds of one sheet.

    Attributes:
        rows: Number of its last row; an upper bound.
        columns: Number of its last column; an upper bound.
        copied_characters: Length of all shared strings as often as they are shown; an upper bound.
    """

    rows: int = 0
    columns: int = 0
    copied_characters: int = 0

    @property
    def box(self) -> int:
        return self.rows * self.columns


def longest_string(archive: zipfile.ZipFile) -> int:
    """Bytes of the longest shared string with its markup; an upper bound."""
    try:
        size = archive.getinfo(_STRINGS).file_size
    except KeyError:
        # Where it is under another name, any cell may show any part of the file.
        names = [each for each in archive.infolist() if "sharedstrings" in each.filename.casefold()]
        return max((each.file_size for each in names), default=0)
    if size > _LARGE_STRINGS:
        return size
    data = archive.read(_STRINGS)
    at, longest = data.find(b"<si"), 0
    for each in data[at:].split(b"<si") if at >= 0 else [data]:
        longest = max(longest, len(each))
    return longest


def survey(archive: zipfile.ZipFile, part: str, longest: int) -> Survey:
    """Of a worksheet; where the part is unknown, an empty one.

    Args:
        longest: See :func:`longest_string`.
    """
    try:
        archive.getinfo(part)
    except KeyError:
        return Survey()
    quick = _quick(archive, part, longest)
    if quick is not None and quick.box <= _ENOUGH_CELLS and quick.copied_characters <= _ENOUGH_CHARACTERS:
        return quick
    return _exact(archive, part)


def _quick(archive: zipfile.ZipFile, part: str, longest: int) -> Survey | None:
    """From a search through the bytes; ``None`` where cells are not written as everybody writes them."""
    found = Survey()
    cells = placed = letters = 0
    is_usual = False
    for data in _pieces(archive, part):
        is_usual = is_usual or b"<sheetData" in data
        cells += data.count(b"<c ") + data.count(b"<c>") + data.count(b"<c/")
        numbers = _CELL.findall(data)
        placed += len(numbers)
        found.rows = max(found.rows, max(map(int, set(numbers)), default=0))
        while letters < len(_WIDEST) and any(each.search(data) for each in _WIDEST[letters:]):
            letters += 1
    if not is_usual or cells != placed:
        return None
    found.columns = _LETTER_COLUMNS[letters]
    found.copied_characters = cells * longest
    return found


def _pieces(archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """Never cut within a tag."""
    with archive.open(part) as file:
        held = b""
        while data := file.read(_PIECE):
            data = held + data
            cut = data.rfind(b"<")
            held = data[cut:] if cut > 0 else b""
            yield data[:cut] if cut > 0 else data
        yield held


def _exact(archive: zipfile.ZipFile, part: str) -> Survey:
    """Row by row, cell by cell, as calamine counts them; still only a bound for what is shown how often."""
    found = Survey()
    lengths = _string_lengths(archive)
    row = column = 0
    with archive.open(part) as file:
        events = etree.iterparse(
            file,
            events=("start", "end"),
            tag=("{*}row", "{*}c"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
        )
        for event, element in events:
            is_row = element.tag.endswith("}row")
            if event == "start":
                if is_row:
                    given = element.get("r", "")
                    row, column = int(given[:8]) if given.isdecimal() else row + 1, 0
                    continue
                reference = _REFERENCE.fullmatch(element.get("r", ""))
                column = column + 1 if reference is None else _number(reference[1])
                found.rows = max(found.rows, row if reference is None else int(reference[2]))
                found.columns = max(found.columns, column)
                continue
            if not is_row and element.get("t") == "s":
                shown = element.findtext("{*}v", "").strip()
                known = shown.isdecimal() and int(shown[:9]) < len(lengths)
                found.copied_characters += lengths[int(shown[:9])] if known else 0
            element.clear()
            while is_row and element.getprevious() is not None:
                del element.getparent()[0]
    return found


def _string_lengths(archive: zipfile.ZipFile) -> list[int]:
    lengths: list[int] = []
    for name in archive.namelist():
        if "sharedstrings" in name.casefold() and not name.endswith(".rels"):
            with archive.open(name) as file:
                for _, element in etree.iterparse(
                    file,
                    tag="{*}si",
                    resolve_entities=False,
                    no_network=True,
                    load_dtd=False,
                    huge_tree=False,
                ):
                    lengths.append(sum(len(text) for text in element.itertext()))
                    element.clear()
                    while element.getprevious() is not None:
                        del element.getparent()[0]
    return lengths


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
