"""Settings: ``pitchey.toml`` < environment (``PITCHEY_…``) < command line, each value with its source.

::

    store = "postgresql://pitchey@db/pitchey"     # or PITCHEY_STORE

    [queues.video]
    batch_size = 4                                # or PITCHEY_QUEUES__VIDEO__BATCH_SIZE

    [profiles.production.queues.video]            # on top of the above, if profile = "production"
    max_slots = 16

Import this module where settings are read, not at the top of another: pydantic takes a tenth of a second.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

import platformdirs
from pydantic import BaseModel, Field, ValidationError, model_validator

from pitchey_core.errors import ConfigError
from pitchey_core.process.tree import TAG_VARIABLE
from pitchey_core.queue_settings import QueueSettings, RetentionSettings
from pitchey_core.setting_layers import find_upward, json_or_text, leaves, merge, nested, put, read_toml
from pitchey_core.setting_tables import (
    FetchSettings,
    HostSettings,
    InstanceTypeSettings,
    PriceSettings,
    ProcessorSettings,
    SlotSettings,
    Table,
    TimingSettings,
    split,
)
from pitchey_core.storage.urls import display
from pitchey_core.telemetry_settings import TelemetrySettings

__all__ = [
    "FILE_NAME",
    "PROFILES",
    "FetchSettings",
    "HostSettings",
    "InstanceTypeSettings",
    "LoadedSettings",
    "PriceSettings",
    "ProcessorSettings",
    "QueueSettings",
    "RetentionSettings",
    "Settings",
    "SlotSettings",
    "TimingSettings",
    "load_settings",
]

FILE_NAME: Final = "pitchey.toml"
PROFILES: Final = ("development", "staging", "production")

_PREFIX: Final = "PITCHEY_"
_NEST: Final = "__"
_DATABASE: Final = "pitchey.db"
# Their keys are names of words joined by "-", which no environment variable can hold.
_DASHED_TABLES: Final = frozenset({"queues", "processors", "instance_types"})


class Settings(Table):
    """Every setting.

    Attributes:
        store: URL of the job store, or the path of an SQLite file; default: ``pitchey.db`` in ``data_dir``.
        data_dir: Where logs, work folders and scratch folders are.
        profile: Which ``[profiles.NAME]`` tables apply.
        executor: Where slots run: ``local``, or what a plugin has registered through ``pitchey_executors``.
        tools: Paths of external programs by name.
        plugins: Free tables for plugins.
    """

    store: str
    data_dir: Path
    profile: Literal["development", "staging", "production"] = "development"
    executor: str = "local"
    tools: dict[str, str] = Field(default_factory=dict)
    prices: PriceSettings = PriceSettings()
    queues: dict[str, QueueSettings] = Field(default_factory=dict)
    processors: dict[str, ProcessorSettings] = Field(default_factory=dict)
    instance_types: dict[str, InstanceTypeSettings] = Field(default_factory=dict)
    fetch: FetchSettings = FetchSettings()
    timing: TimingSettings = TimingSettings()
    host: HostSettings = HostSettings()
    slots: SlotSettings = SlotSettings()
    retention: RetentionSettings = RetentionSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _places(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        folder = data.get("data_dir", platformdirs.user_data_dir("pitchey"))
        return {"data_dir": folder, "store": f"sqlite:///{Path(str(folder)) / _DATABASE}", **data}


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings with where they come from.

    Attributes:
        settings: The effective values.
        sources: For each key path that was set anywhere, where the effective value was set.
        file: The ``pitchey.toml`` that was read.
    """

    settings: Settings
    sources: Mapping[str, str]
    file: Path | None

    def rows(self) -> list[tuple[str, Any, str]]:
        """Key path, value as JSON data and source of every setting; passwords are hidden."""
        values = dict(leaves(self.settings.model_dump(mode="json", exclude_none=True)))
        values["store"] = display(values["store"])
        return [(key, values[key], self.sources.get(key, "default")) for key in sorted(values)]


def load_settings(
    *,
    start: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> LoadedSettings:
    """Read the settings.

    Relative paths in ``pitchey.toml`` start at its folder, all others at ``start``.

    Args:
        start: Where the search upward for ``pitchey.toml`` begins; default: the working folder.
        overrides: What the command line says: nested tables, or key paths with dots; ``None`` values are
            skipped.
        environ: The environment; default: this process's.

    Raises:
        ConfigError: A file, key or value is wrong; the message starts with the key path and names the source.
    """
    start = (start or Path.cwd()).absolute()
    environ = os.environ if environ is None else environ
    file = find_upward(start, FILE_NAME)
    layers: list[tuple[dict[str, Any], str, Path]] = []
    profiles: dict[str, Any] = {}
    if file is not None:
        table = read_toml(file)
        profiles = _profiles(table.pop("profiles", {}), file)
        layers.append((table, str(file), file.parent))
    layers.append((_from_environment(environ), "environment", start))
    layers.append((nested(overrides or {}), "command line", start))
    profile = next((table["profile"] for table, _, _ in reversed(layers) if "profile" in table), PROFILES[0])
    if file is not None and isinstance(profile, str) and profile in profiles:
        layers.insert(1, (profiles[profile], f"{file} [profiles.{profile}]", file.parent))
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for table, source, base in layers:
        _resolve_paths(table, base)
        merge(merged, table)
        for key, _ in leaves(table):
            sources[key] = f"environment {_variable(key, environ)}" if source == "environment" else source
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise _config_error(error, sources) from error
    return LoadedSettings(settings, sources, file)


def _variable(key: str, environ: Mapping[str, str]) -> str:
    """The variable that has set a key path: its own, or that of a table around it."""
    parts = key.replace("-", "_").upper().split(".")
    names = [_PREFIX + _NEST.join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((name for name in names if name in environ), names[0])


def _profiles(tables: Any, file: Path) -> dict[str, Any]:
    if not isinstance(tables, dict):
        raise ConfigError(
            f"profiles: not a table (in {file})", remedy="write [profiles.production] and so on"
        )
    for name, table in tables.items():
        if name not in PROFILES:
            raise ConfigError(
                f"profiles.{name}: there is no such profile (in {file})", remedy=_meant(name, PROFILES)
            )
        for key in ("profile", "profiles"):
            if not isinstance(table, dict) or key in table:
                raise ConfigError(f"profiles.{name}: not a table of settings (in {file})")
    return tables


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in sorted(environ.items()):
        if not name.startswith(_PREFIX) or name == TAG_VARIABLE:
            continue
        first, *rest = name.removeprefix(_PREFIX).lower().split(_NEST)
        if first not in Settings.model_fields:
            # Other variables of ours, such as the slot's tag, are no settings; but a typing error is caught.
            if rest or difflib.get_close_matches(first, Settings.model_fields, n=1, cutoff=0.8):
                raise ConfigError(
                    f"{first}: unknown setting (environment {name})",
                    remedy=_meant(first, Settings.model_fields),
                )
            continue
        if first in _DASHED_TABLES and rest:
            rest[0] = rest[0].replace("_", "-")
        put(
            table,
            [first, *rest],
            json_or_text(value) if first == "plugins" or _is_table(first, rest) else value,
        )
    return table


def _is_table(first: str, rest: list[str]) -> bool:
    """Whether a whole table is given at once, as JSON."""
    return not rest and first not in ("store", "data_dir", "profile")


def _resolve_paths(table: dict[str, Any], base: Path) -> None:
    def absolute(path: object) -> str:
        return os.fspath(base / Path(str(path)).expanduser())

    if "data_dir" in table:
        table["data_dir"] = absolute(table["data_dir"])
    store = table.get("store")
    if isinstance(store, str) and store:
        if "://" not in store:
            table["store"] = "sqlite:///" + absolute(store)
        elif store.startswith("sqlite:///") and store != "sqlite:///:memory:":
            table["store"] = "sqlite:///" + absolute(store.removeprefix("sqlite:///"))
    tools = table.get("tools")
    if isinstance(tools, dict):
        tools.update({name: absolute(path) for name, path in tools.items() if "/" in str(path)})
    fetch = table.get("fetch")
    if isinstance(fetch, dict) and fetch.get("roots") is not None:
        # What cannot be split is reported by the model.
        with contextlib.suppress(ValueError):
            roots = split(fetch["roots"])
            fetch["roots"] = [absolute(root) for root in roots] if isinstance(roots, list | tuple) else roots


def _config_error(error: ValidationError, sources: Mapping[str, str]) -> ConfigError:
    lines = []
    remedy = None
    for each in error.errors():
        location = [str(part) for part in each["loc"]]
        key = ".".join(location)
        source = next((sources[name] for name in sources if name == key or name.startswith(f"{key}.")), None)
        where = f" ({source})" if source else ""
        if each["type"] == "extra_forbidden":
            lines.append(f"{key}: unknown setting{where}")
            remedy = remedy or _meant(location[-1], _known(location[:-1]))
        else:
            lines.append(f"{key}: {each['msg'].removeprefix('Value error, ')}{where}")
    return ConfigError("\n".join(lines), remedy=remedy)


def _known(location: list[str]) -> list[str]:
    """Keys of the table at a key path."""
    kind: Any = Settings
    for part in location:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        elif isinstance(kind, type) and issubclass(kind, BaseModel) and part in kind.model_fields:
            kind = kind.model_fields[part].annotation
        if get_origin(kind) in (Union, types.UnionType):
            kind = next(each for each in get_args(kind) if each is not type(None))
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _meant(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(sorted(known))
