"""By how much the lines of a page fall, and how to level them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["level", "looks_upright", "measure_skew"]

_WIDEST = 8.0
_MOST_POINTS = 60_000
_FEWEST_POINTS = 300
_SHARPER = 1.05
_PRECISION = 0.04
_STANDING = 0.95
_ALONG = 5.0
_CONTRAST = 40


def measure_skew(small: Image) -> float:
    """Degrees by which lines of text fall clockwise, to about 0.05; 0 where there are none within 8 degrees.

    Ink is projected along lines of each slope: at the right one it piles up in rows and leaves gaps between.

    Args:
        small: Grey, dark on light, evenly lit, about 100 dpi.
    """
    lower = _Edges.of(_ink(small), upper=False)
    return lower.skew() if lower.enough else 0.0


def looks_upright(small: Image) -> bool:
    """Whether lines of text seem to run from left to right, on their feet. It is a guess; reading shows if it is true.

    Edges of letters pile up along lines of text, and across them hardly: on the tuning pages at least 14 times as
    much the right way and at most 2.5 times on a page turned by 90 degrees. Latin letters stand on one line and end
    at several heights, so lower edges mostly pile up higher than upper ones: that holds for 93 % of upright pages and
    30 % of those on their heads.

    Args:
        small: As for :func:`measure_skew`.
    """
    ink = _ink(small)
    lower = _Edges.of(ink, upper=False)
    if not lower.enough:
        return True
    skew = lower.skew()
    standing = lower.sharpness(skew)
    across = max(_Edges.of(ink.T, upper=side).sharpness(-skew) for side in (True, False))
    return standing > _ALONG * across and standing > _STANDING * _Edges.of(ink, upper=True).sharpness(skew)


@dataclass(frozen=True, slots=True)
class _Edges:
    """Points where ink begins or ends. Edges weigh letters alike; the areas of pictures and rules count little."""

    heights: Any
    offsets: Any
    margin: float

    @classmethod
    def of(cls, ink: Any, *, upper: bool) -> _Edges:
        import numpy as np

        edges = ink[1:] & ~ink[:-1] if upper else ink[:-1] & ~ink[1:]
        rows, columns = np.nonzero(edges)
        if rows.size > _MOST_POINTS:
            every = -(-rows.size // _MOST_POINTS)
            rows, columns = rows[::every], columns[::every]
        # Rows and columns are whole numbers: without an offset of its own for each point, 0 degrees would always win.
        heights = rows.astype(np.float32) + np.arange(rows.size, dtype=np.float32) * 0.618034 % 1
        return cls(heights, columns.astype(np.float32) - ink.shape[1] / 2, ink.shape[1] / 6)

    @property
    def enough(self) -> bool:
        return bool(self.heights.size >= _FEWEST_POINTS)

    def sharpness(self, degrees: float) -> float:
        """How unequal rows are that fall by so many degrees, per pair of points."""
        import numpy as np

        slope = np.float32(math.tan(math.radians(degrees)))
        projected = self.heights - self.offsets * slope + np.float32(self.margin)
        counts = np.bincount(projected.astype(np.int32)).astype(np.float32)
        unequal = float(((counts[1:] - counts[:-1]) ** 2).sum())
        return unequal / float(max(1, self.heights.size)) ** 2

    def skew(self) -> float:
        step = 0.5
        tried = (index * step for index in range(-round(_WIDEST / step), round(_WIDEST / step) + 1))
        scores = {angle: self.sharpness(angle) for angle in tried}
        best = max(scores, key=scores.__getitem__)
        if abs(best) == _WIDEST:
            return 0.0
        while step > _PRECISION:
            step /= 2
            scores.update({angle: self.sharpness(angle) for angle in (best - step, best + step)})
            best = max(scores, key=scores.__getitem__)
        return best if scores[best] > _SHARPER * scores[0.0] else 0.0


def _ink(small: Image) -> Any:
    import numpy as np

    grey = np.asarray(small)
    # Of a page with one line of text a thousandth is ink.
    darkest, paper = np.percentile(grey, (0.1, 50))
    return grey < (darkest + paper) / 2 if paper - darkest > _CONTRAST else np.zeros(grey.shape, bool)


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
