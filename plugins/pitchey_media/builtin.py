"""The built-in presets, as they stand in ``presets.toml``: ``pitchey_media.builtin:NAME`` is the table ``NAME``."""

from __future__ import annotations

import functools
import tomllib
from importlib.resources import files
from typing import Any

__all__ = ["read_presets"]


@functools.cache
def read_presets() -> dict[str, dict[str, Any]]:
    """Every built-in preset by name."""
    return tomllib.loads((files(__package__) / "presets.toml").read_text("utf-8"))


def __getattr__(name: str) -> dict[str, Any]:
    try:
        return read_presets()[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
