"""``KEY=VALUE`` on the command line, with values as in a batch file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from pitchey_core.errors import UsageError

__all__ = ["assignments"]


def assignments(pairs: Iterable[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` pairs.

    Raises:
        UsageError: One has no ``=``, or its value is not YAML.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"--set {pair!r} is not KEY=VALUE", remedy="for example: --set quality=720p")
        try:
            found[key.replace("-", "_")] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError) as error:
            raise UsageError(
                f"--set {key}: {value!r} is not YAML", remedy="put quotes around text"
            ) from error
    return found
