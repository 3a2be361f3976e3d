"""A job's parameters, checked against what its task takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pitchey_core.errors import UnknownName, UsageError
from pitchey_inference.tasks.base import Parameters

__all__ = ["parse_parameters"]


def parse_parameters(model: type[Parameters], given: Mapping[str, Any], task: str) -> Parameters:
    """Validate parameters.

    Raises:
        UnknownName: The task has no such parameter; the nearest is suggested.
        UsageError: A value is wrong, or one is missing; the message names it.
    """
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UnknownName(f"parameter of {task}:", path, model.model_fields) from None
        if first["type"] == "missing":
            raise UsageError(
                f"{task} needs the parameter {path}", remedy=f'give it: parameters = {{"{path}": …}}'
            ) from None
        raise UsageError(f"parameters.{path}: {first['msg']} (got {str(first['input'])[:80]!r})") from None
