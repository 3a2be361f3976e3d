"""Where presets come from: plugins, then ``pitchey.toml``, then the job's own file; later ones win."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitchey_core.errors import ConfigError, UnknownName
from pitchey_core.hooks import CatalogEntry, load_target
from pitchey_media.schema import Preset, parse_preset

__all__ = ["Catalog", "Layer", "read_preset_file"]

KIND = "preset"
_EXTENDS = "extends"
_DEEPEST = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RATES = ("crf", "bitrate", "quality")


@dataclass(frozen=True, slots=True)
class Layer:
    """Presets of one origin, by name, as they were written."""

    origin: str
    tables: Mapping[str, Mapping[str, Any]]


class Catalog:
    """The presets that a job may name.

    Args:
        layers: The first one is the weakest.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    @classmethod
    def of(
        cls,
        entries: Mapping[str, CatalogEntry],
        options: Mapping[str, Any],
        file: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Catalog:
        """From the plugins' entries, the plugin's settings, and the content of a preset file."""
        layers = [Layer("plugins", {name: _loaded(entry) for name, entry in entries.items()})]
        configured = options.get("presets", {})
        if not isinstance(configured, Mapping):
            raise ConfigError("plugins.media.presets is not a table")
        layers.append(Layer("settings", configured))
        layers.append(Layer("file", file or {}))
        return cls(layers)

    @property
    def names(self) -> list[str]:
        """All names, in order of their origin."""
        return list(dict.fromkeys(name for layer in self._layers for name in layer.tables))

    def origin(self, name: str) -> str:
        """Where a preset comes from."""
        return next(layer.origin for layer in reversed(self._layers) if name in layer.tables)

    def table(self, name: str) -> dict[str, Any]:
        """A preset with all that it inherits, as data.

        Raises:
            UnknownName: There is none of that name, or none of a name that it extends.
            ConfigError: It extends itself in a circle.
        """
        table = self._resolve(name, len(self._layers), ())
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} is no name for a preset: outputs are called after it",
                remedy="use letters, digits, '-', '_' and '.', at most 64 of them",
            )
        return table

    def preset(self, name: str, overrides: Mapping[str, Any] | None = None) -> Preset:
        """A preset, with changes of the job's own merged in.

        Raises:
            UnknownName, ConfigError: As for :meth:`table`, or it is wrong.
        """
        return parse_preset(name, _merged(self.table(name), overrides or {}))

    def _resolve(self, name: str, below: int, seen: tuple[tuple[str, int], ...]) -> dict[str, Any]:
        found = next((n for n in reversed(range(below)) if name in self._layers[n].tables), None)
        if found is None:
            raise UnknownName("preset", name, self.names)
        if len(seen) >= _DEEPEST:
            raise ConfigError(f"preset {name!r} is the {_DEEPEST}th to extend another one in a row")
        if (name, found) in seen:
            circle = " → ".join([*(each for each, _ in seen), name])
            raise ConfigError(f"preset {name!r} extends itself: {circle}", remedy="remove one extends")
        written = self._layers[found].tables[name]
        if not isinstance(written, Mapping):
            raise ConfigError(
                f"preset {name!r} is {type(written).__name__}, not a table", remedy=f"write: [{name}]"
            )
        table = dict(written)
        parent = table.pop(_EXTENDS, None)
        if parent is None:
            return table
        if not isinstance(parent, str):
            raise ConfigError(f"preset {name!r}, extends: not the name of a preset")
        # A preset may refine the one of its own name that a plugin brings.
        limit = found if parent == name else len(self._layers)
        return _merged(self._resolve(parent, limit, (*seen, (name, found))), table)


def _loaded(entry: CatalogEntry) -> Mapping[str, Any]:
    found = load_target(entry.target)
    table = found() if callable(found) else found
    if not isinstance(table, Mapping):
        raise ConfigError(f"preset {entry.name!r}: {entry.target} is {type(table).__name__}, not a table")
    return table


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    if any(key in over for key in _RATES):
        # They are alternatives, so one replaces whichever is inherited.
        merged = {key: value for key, value in merged.items() if key not in _RATES}
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(below, value) if both else value  # type: ignore[arg-type]
    return merged


def read_preset_file(path: Path, name: str) -> dict[str, dict[str, Any]]:
    """Read a TOML file in which each table is a preset.

    Args:
        name: What to call it in messages.

    Raises:
        ConfigError: It is not TOML, or holds anything but tables.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{name!r} is not a preset file: {error}", remedy="write: [my-preset]") from error
    for key, value in content.items():
        if not isinstance(value, dict):
            raise ConfigError(f"{name!r}: {key} is not a table", remedy=f"write: [{key}]")
    return content
