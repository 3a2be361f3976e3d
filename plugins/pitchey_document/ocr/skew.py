"""By how much the lines of a page fall, and how to level them."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["level", "measure_skew"]

_WIDEST = 8.0
_MOST_POINTS = 60_000
_FEWEST_POINTS = 300
_SHARPER = 1.05


def measure_skew(small: Image) -> float:
    """Degrees by which lines of text fall clockwise, to about 0.05; 0 where there are none within 8 degrees.

    Ink is projected along lines of each slope: at the right one it piles up in rows and leaves gaps between.

    Args:
        small: Grey, dark on light, evenly lit, about 100 dpi.
    """
    import numpy as np

    grey = np.asarray(small)
    rows, columns = np.nonzero(_edges(grey))
    if rows.size < _FEWEST_POINTS:
        return 0.0
    if rows.size > _MOST_POINTS:
        every = -(-rows.size // _MOST_POINTS)
        rows, columns = rows[::every], columns[::every]
    # Rows and columns are whole numbers: without an offset of its own for each point, 0 degrees would always win.
    heights = rows.astype(np.float32) + np.arange(rows.size, dtype=np.float32) * 0.618034 % 1
    offsets = columns.astype(np.float32) - grey.shape[1] / 2
    margin = grey.shape[1] / 6

    def sharpness(degrees: float) -> float:
        projected = heights - offsets * np.float32(math.tan(math.radians(degrees))) + np.float32(margin)
        counts = np.bincount(projected.astype(np.int32)).astype(np.float32)
        return float(((counts[1:] - counts[:-1]) ** 2).sum())

    step = 0.5
    scores: dict[float, float] = {
        angle: sharpness(angle) for angle in np.arange(-_WIDEST, _WIDEST + step / 2, step).tolist()
    }
    best = max(scores, key=scores.__getitem__)
    if abs(best) == _WIDEST:
        return 0.0
    while step > 0.04:
        step /= 2
        for angle in (best - step, best + step):
            scores[angle] = sharpness(angle)
        best = max(scores, key=scores.__getitem__)
    return best if scores[best] > _SHARPER * sharpness(0.0) else 0.0


def _edges(grey: Any) -> Any:
    """Where ink ends at its lower side: base lines are the sharpest rows of a page, and pictures count little."""
    import numpy as np

    threshold = (int(np.percentile(grey, 2)) + int(np.percentile(grey, 75))) // 2
    ink = grey < threshold
    return ink[:-1] & ~ink[1:]


def level(image: Image, degrees: float) -> Image:
    """Shear a picture vertically so that lines that fall by so many degrees clockwise become level.

    Strips are moved by whole pixels, which costs a tenth of a rotation with interpolation.
    """
    import numpy as np
    from PIL import Image as Pictures

    grey = np.asarray(image)
    height, width = grey.shape
    shifts = np.rint(np.arange(width) * math.tan(math.radians(degrees))).astype(int)
    levelled = np.full_like(grey, 255)
    starts = [0, *(np.nonzero(np.diff(shifts))[0] + 1).tolist(), width]
    for start, end in itertools.pairwise(starts):
        shift = int(shifts[start])
        if shift >= 0:
            levelled[: height - shift, start:end] = grey[shift:, start:end]
        else:
            levelled[-shift:, start:end] = grey[: height + shift, start:end]
    return Pictures.fromarray(levelled)
