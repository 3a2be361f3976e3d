"""Where a point of the prepared picture lies in the picture as it was given."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Placement"]

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Placement:
    """What was done to a picture, in this order: turned, scaled, sheared so that its lines are level.

    Attributes:
        size: Width and height of the source in pixels.
        rotation: Degrees clockwise, a multiple of 90.
        skew_degrees: By how much the lines fell clockwise before they were levelled.
        scale: Pixels of the prepared picture for one of the source.
    """

    size: tuple[int, int]
    rotation: int
    skew_degrees: float
    scale: float

    def to_source(self, box: Box) -> tuple[int, int, int, int]:
        """The bounding box in the source of a box in the prepared picture, within the source's bounds."""
        x0, y0, x1, y1 = box
        # The width of a word makes no difference worth a taller box: its middle says how far the shear moved it.
        moved = (x0 + x1) / 2 * math.tan(math.radians(self.skew_degrees))
        turned = (x0 / self.scale, (y0 + moved) / self.scale, x1 / self.scale, (y1 + moved) / self.scale)
        left, top, right, bottom = self._turned_back(turned)
        width, height = self.size
        left, right = (min(max(each, 0.0), width) for each in (left, right))
        top, bottom = (min(max(each, 0.0), height) for each in (top, bottom))
        return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)

    def _turned_back(self, box: Box) -> Box:
        x0, y0, x1, y1 = box
        width, height = self.size
        match self.rotation:
            case 90:
                return y0, height - x1, y1, height - x0
            case 180:
                return width - x1, height - y1, width - x0, height - y0
            case 270:
                return width - y1, x0, width - y0, x1
            case _:
                return box
