"""What this host can do, by trying it."""

from __future__ import annotations

from pitchey_core.isolation.policy import Layer

__all__ = ["probe"]


def probe() -> dict[Layer, str]:
    """Each layer with what enforces it here, or ``not enforced: `` and the reason with its remedy."""
    raise NotImplementedError
