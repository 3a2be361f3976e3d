"""What a finished job has found, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pitchey_core.errors import PitcheyError
from pitchey_core.registry import Registry

__all__ = ["answer_of"]


def answer_of(registry: Registry, processor: str, result: Mapping[str, Any] | None) -> str:
    """The facts of a result as its processor tells them to people; empty where it tells nothing."""
    facts = (result or {}).get("facts")
    if not facts:
        return ""
    try:
        return registry.processor(processor).facts_model.model_validate(facts).in_words()
    except (PitcheyError, ValidationError):
        # Its plugin is gone, or another version than the one that wrote them.
        return ""
