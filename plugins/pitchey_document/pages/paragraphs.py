"""Lines of a page put together to paragraphs."""

from __future__ import annotations

import re
from typing import Final

from pitchey_document.structure import Block

__all__ = ["page_blocks"]

_SHORT_LINE: Final = 0.75
"""A line that is shorter than this part of its page's usual line and ends a sentence ends a paragraph."""
_ITEM: Final = re.compile(r"\s*(?:[•‣◦▪●\u2013*-]|(\d{1,3})[.)])\s+(.*)", re.DOTALL)
_SENTENCE_ENDS: Final = (".", "!", "?", ":", "”", '"', "…", "。")


def page_blocks(text: str) -> list[Block]:
    """Paragraphs and list items of a page's text, in order.

    A heuristic: blank lines separate; without them, a short line that ends a sentence does, and a bullet begins anew.
    """
    blocks = []
    for part in re.split(r"\n[ \t]*\n", text):
        for lines in _split([line.strip() for line in part.split("\n") if line.strip()]):
            item = _ITEM.fullmatch(" ".join(lines))
            if item is not None and item[2]:
                blocks.append(Block("item", item[2], ordered=item[1] is not None))
            else:
                blocks.append(Block("paragraph", " ".join(lines)))
    return blocks


def _split(lines: list[str]) -> list[list[str]]:
    if not lines:
        return []
    usual = sorted(map(len, lines))[len(lines) * 3 // 4]
    parts: list[list[str]] = [[]]
    for line in lines:
        before = parts[-1]
        ended = before and len(before[-1]) < usual * _SHORT_LINE and before[-1].endswith(_SENTENCE_ENDS)
        if before and (ended or _ITEM.fullmatch(line)):
            parts.append([])
        parts[-1].append(line)
    return parts
