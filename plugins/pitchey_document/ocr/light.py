"""Light: whether a page is white on black, unevenly lit or pale, and how to even it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["divide_background", "is_inverted", "is_uneven"]

_TILES = 24
_UNEVEN = 0.85
_DARK_PAPER = 190
_PALE = 90


def is_inverted(small: Image) -> bool:
    """Whether text is light on dark: most of the page is dark, and its darkest is nearer to that than its lightest."""
    import numpy as np

    low, middle, high = np.percentile(np.asarray(small), (2, 50, 98))
    return bool(middle < 110 and high - middle > middle - low)


def is_uneven(small: Image) -> bool:
    """Whether one threshold for the whole page would lose text: shadows, dark paper or pale ink."""
    import numpy as np

    paper = _paper(np.asarray(small))
    ink = float(np.percentile(np.asarray(small), 1))
    low, middle, high = np.percentile(paper, (5, 50, 95))
    return bool(low < _UNEVEN * high or middle < _DARK_PAPER or middle - ink < _PALE)


def _paper(grey: Any) -> Any:
    """The brightness of the paper, tile by tile."""
    import numpy as np

    side = max(4, min(grey.shape) // _TILES)
    rows, columns = grey.shape[0] // side, grey.shape[1] // side
    tiles = grey[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return np.percentile(tiles.swapaxes(1, 2).reshape(rows, columns, -1), 85, axis=2)


def divide_background(image: Image) -> Image:
    """Divide a page by the brightness of its paper, and stretch what is left so that ink is black."""
    import numpy as np
    from PIL import Image as Pictures
    from PIL import ImageFilter

    factor = max(1, round(max(image.size) / 600))
    small = image.reduce(factor) if factor > 1 else image
    paper = small.filter(ImageFilter.MaxFilter(9)).filter(ImageFilter.MedianFilter(9))
    paper = paper.filter(ImageFilter.GaussianBlur(9)).resize(image.size, Pictures.Resampling.BILINEAR)
    even = np.asarray(image).astype(np.float32)
    even /= np.maximum(np.asarray(paper), 1)
    black = float(np.percentile(even[::4, ::4], 0.5))
    even -= black
    even *= 255.0 / max(0.95 - black, 0.05)
    return Pictures.fromarray(np.clip(even, 0, 255, out=even).astype(np.uint8))
