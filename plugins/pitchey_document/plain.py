"""Plain text, Markdown and CSV. This runs in an isolated process."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from pathlib import Path
from typing import Any, Final

from pitchey_document.security import SecurityFacts
from pitchey_document.structure import Block, Section, Structure

__all__ = ["read_plain"]

_MOST_CELLS: Final = 1_000_000
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16, whose mark begins like that of UTF-32.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEADING: Final = re.compile(r"(#{1,6})\s+(.*?)\s*#*")


def read_plain(path: str, kind: str, most_characters: int) -> dict[str, Any]:
    """Decode a text and find its structure.

    Args:
        kind: ``txt``, ``md`` or ``csv``.
        most_characters: What is behind them is left out, with a warning.

    Returns:
        ``structure``, ``security`` and ``warnings``, as for Office files, and ``text``: the decoded text itself.
    """
    warnings: list[str] = []
    with Path(path).open("rb") as file:
        # A character has at most four bytes, in UTF-8 and in UTF-16.
        data = file.read(4 * most_characters + 4)
        whole = not file.read(1)
    text, encoding = _decoded(data, whole=whole)
    if len(text) > most_characters:
        text = text[:most_characters]
        warnings.append(
            f"only the first {most_characters} characters are read (plugins.document.max_characters)"
        )
    if encoding == "cp1252":
        warnings.append("it is not UTF-8; read as Windows-1252")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    read = {"md": _markdown, "csv": _table}.get(kind, _paragraphs)
    section = Section("sheet" if kind == "csv" else "body", 1, blocks=read(text, warnings))
    structure = Structure([section], {"encoding": encoding})
    return {
        "structure": structure.as_record(),
        "security": SecurityFacts().as_record(),
        "warnings": warnings,
        "pages": None,
        "text": text,
    }


def _decoded(data: bytes, *, whole: bool) -> tuple[str, str]:
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data.decode(name, "replace"), name.removesuffix("-sig")
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        if not whole and error.start >= len(data) - 4:  # cut in the middle of a character
            return data[: error.start].decode("utf-8"), "utf-8"
    return data.decode("cp1252", "replace"), "cp1252"


def _paragraphs(text: str, _warnings: list[str]) -> list[Block]:
    return [Block("paragraph", part.strip("\n")) for part in re.split(r"\n[ \t]*\n", text) if part.strip()]


def _markdown(text: str, warnings: list[str]) -> list[Block]:
    """Headings and what stands between them; the Markdown output is the text itself."""
    blocks = []
    for block in _paragraphs(text, warnings):
        first, _, rest = block.text.partition("\n")
        heading = _HEADING.fullmatch(first)
        if heading is not None:
            blocks.append(Block("heading", heading[2], level=len(heading[1])))
            block = Block("paragraph", rest)
        if block.text.strip():
            blocks.append(block)
    return blocks


def _table(text: str, warnings: list[str]) -> list[Block]:
    try:
        # What it says of quotes is a guess that breaks cells.
        delimiter = csv.Sniffer().sniff(text[:8192], delimiters=",;\t|").delimiter
    except csv.Error:
        delimiter = ","
    csv.field_size_limit(len(text) + 1)
    rows: list[list[str]] = []
    cells = 0
    try:
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            cells += len(row)
            if cells > _MOST_CELLS:
                warnings.append(f"only the first {len(rows)} rows are read ({_MOST_CELLS} cells)")
                break
            rows.append(row)
    except csv.Error as error:
        warnings.append(f"the table is damaged behind row {len(rows)}: {error}")
    # A trailing line end is no row.
    rows = list(itertools.dropwhile(lambda row: not any(row), reversed(rows)))[::-1]
    return [Block("table", rows=rows)]
