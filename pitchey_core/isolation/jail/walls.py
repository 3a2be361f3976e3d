"""The walls that one sandbox should have, and which of them stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["WallMissing", "Walls"]


class WallMissing(Exception):
    """A wall that is required cannot be built, so nothing may run."""

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(f"{layer}: {reason}")
        self.layer = layer
        self.reason = reason


class Walls:
    """Builds walls, and keeps account.

    Attributes:
        report: Each layer with what enforces it, ``off``, or ``not enforced:`` and the reason.
    """

    def __init__(self, layers: Sequence[str], required: Sequence[str]) -> None:
        self._layers = layers
        self._required = required
        self.report: dict[str, str] = {}

    def wanted(self, layer: str) -> bool:
        return layer in self._layers

    def build(self, layer: str, build: Callable[[], str]) -> None:
        """Build one, if it is wanted.

        Raises:
            WallMissing: The kernel refuses, and it is required.
        """
        if not self.wanted(layer):
            self.report[layer] = "off"
            return
        if self.report.get(layer, "").startswith("not enforced"):
            return
        try:
            self.report[layer] = build()
        except OSError as error:
            reason = error.strerror or str(error)
            if layer in self._required:
                raise WallMissing(layer, reason) from error
            self.report[layer] = f"not enforced: {reason}"
