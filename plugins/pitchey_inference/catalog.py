"""The models that a job may name: those of plugins, and those of the settings, which win."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pitchey_core.errors import ConfigError, UnknownName
from pitchey_core.hooks import CatalogEntry, load_target
from pitchey_inference.bundles.bundle import Bundle
from pitchey_inference.bundles.opening import Access, open_bundle, open_folder
from pitchey_inference.coded import CodedModel
from pitchey_inference.payload import is_reference

__all__ = ["KIND", "Catalog", "Found"]

KIND = "model"


@dataclass(frozen=True, slots=True)
class Found:
    """A model that was found.

    Attributes:
        origin: ``plugin``, ``settings`` or ``path``: who says that the name means this bundle.
        coded: The code that its package brings, if any.
    """

    bundle: Bundle
    origin: Literal["plugin", "settings", "path"]
    coded: CodedModel | None = None


class Catalog:
    """Models by name.

    Args:
        entries: Of the hook ``pitchey_catalog``, kind ``model``.
        configured: The settings' table ``plugins.inference.models``: a path or URL by name.

    Raises:
        ConfigError: That table is none, or holds anything but text.
    """

    def __init__(self, entries: Mapping[str, CatalogEntry], configured: object = None) -> None:
        table = {} if configured is None else configured
        if not isinstance(table, Mapping):
            raise ConfigError("plugins.inference.models is not a table", remedy='write: NAME = "path or URL"')
        for name, value in table.items():
            if not isinstance(value, str):
                raise ConfigError(f"plugins.inference.models.{name} is not a path or URL")
        self.entries = entries
        self.configured: Mapping[str, str] = table

    @classmethod
    def of(cls, entries: Mapping[str, CatalogEntry], options: Mapping[str, Any]) -> Catalog:
        """From the plugins' entries and this plugin's settings."""
        return cls(entries, options.get("models"))

    @property
    def names(self) -> list[str]:
        """All names."""
        return list(dict.fromkeys([*self.entries, *self.configured]))

    def find(self, model: str, access: Access) -> Found:
        """The model of a name, path or URL.

        Raises:
            UnknownName: There is none of that name; the nearest are suggested.
            InputError, ConfigError, ExtraMissing, TransientError: As for
                :func:`~pitchey_inference.bundles.opening.open_bundle`.
        """
        if model in self.configured:
            return Found(open_bundle(self.configured[model], access), "settings")
        if model in self.entries:
            coded = _loaded(self.entries[model])
            return Found(open_folder(coded.folder, model, None), "plugin", coded)
        if is_reference(model):
            return Found(open_bundle(model, access), "path")
        raise UnknownName("model", model, self.names)


@lru_cache(maxsize=64)
def _loaded(entry: CatalogEntry) -> CodedModel:
    found = load_target(entry.target)
    found = found() if callable(found) else found
    if isinstance(found, str | Path):
        return CodedModel(Path(found))
    if not isinstance(found, CodedModel):
        raise ConfigError(
            f"model {entry.name!r}: {entry.target} is {type(found).__name__}",
            remedy="a catalogue entry of the kind model leads to the path of a bundle, or to a CodedModel",
        )
    return found
