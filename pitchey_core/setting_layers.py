"""Nested tables and key paths: what the layers of the settings are made of."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pitchey_core.errors import ConfigError

__all__ = ["find_upward", "json_or_text", "leaves", "merge", "nested", "put", "read_toml"]


def find_upward(start: Path, name: str) -> Path | None:
    """The nearest file of that name in ``start`` or a folder above it."""
    return next((each / name for each in (start, *start.parents) if (each / name).is_file()), None)


def read_toml(file: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        ConfigError: It cannot be read or is not TOML; the message has the line.
    """
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}", remedy="correct that place") from error


def json_or_text(value: str) -> Any:
    """What a text says as JSON, or the text itself."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def nested(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table whose outermost keys may be key paths with dots, as nested tables without ``None`` values."""
    result: dict[str, Any] = {}
    for key, value in table.items():
        if value is not None:
            put(result, key.split("."), _without_none(value))
    return result


def _without_none(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: _without_none(each) for key, each in value.items() if each is not None}


def put(table: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set the value at a key path."""
    for part in reversed(path):
        value = {part: value}
    merge(table, value)


def merge(into: dict[str, Any], table: Mapping[str, Any]) -> None:
    """Lay a table over another one: tables are merged, everything else is replaced."""
    for key, value in table.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)


def leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Key path and value of everything that is not a table itself."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
