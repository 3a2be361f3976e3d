"""Pictures of pages, and the sheet that shows them all at a glance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["MOST_ON_SHEET", "contact_sheet"]

MOST_ON_SHEET: Final = 100
_TILE: Final = 240
_GAP: Final = 12
_BACKGROUND: Final = (96, 96, 96)


def contact_sheet(pictures: Sequence[Path], target: Path, format_name: str) -> tuple[int, int]:
    """Draw small copies of page pictures side by side, row by row, and return the number of columns and rows.

    Args:
        pictures: The first :data:`MOST_ON_SHEET` are shown.
        format_name: ``webp``, ``jpeg`` or ``png``.
    """
    from PIL import Image

    tiles = []
    for path in pictures[:MOST_ON_SHEET]:
        with Image.open(path) as picture:
            picture.draft("RGB", (_TILE, _TILE))
            tile = picture.convert("RGB")
        tile.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS, reducing_gap=3.0)
        tiles.append(tile)
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    cell_width = max(tile.width for tile in tiles) + _GAP
    cell_height = max(tile.height for tile in tiles) + _GAP
    sheet = Image.new("RGB", (columns * cell_width + _GAP, rows * cell_height + _GAP), _BACKGROUND)
    for place, tile in enumerate(tiles):
        left = _GAP + (place % columns) * cell_width + (cell_width - _GAP - tile.width) // 2
        top = _GAP + (place // columns) * cell_height + (cell_height - _GAP - tile.height) // 2
        sheet.paste(tile, (left, top))
    sheet.save(target, format=format_name.upper(), quality=80)
    return columns, rows
