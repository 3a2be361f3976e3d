"""External programs: where each one is, which version it has, and how to install it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pitchey_core.errors import ConfigError, PitcheyError, ToolMissing, UnknownName
from pitchey_core.hooks import ToolSpec, load_target
from pitchey_core.process import ProcessLimits, run

__all__ = ["ToolStatus", "ToolTable", "os_families"]

_PROBE_LIMITS: Final = ProcessLimits(wall_seconds=20.0)
_RELATED: Final = {
    "ubuntu": "debian",
    "linuxmint": "debian",
    "raspbian": "debian",
    "rhel": "fedora",
    "centos": "fedora",
    "rocky": "fedora",
    "almalinux": "fedora",
    "amzn": "fedora",
    "manjaro": "arch",
}


@dataclass(frozen=True, slots=True)
class ToolStatus:
    """What ``doctor`` shows of a tool.

    Attributes:
        name: Its name in the tools table.
        path: Where it is; ``None`` if it is missing.
        source: ``settings``, ``PATH`` or ``bundled``; ``None`` if it is missing.
        version: As it says itself.
        capabilities: What its specification's probe has found, as JSON data.
        error: Why it cannot be used; ``None`` if it can.
    """

    name: str
    path: Path | None = None
    source: str | None = None
    version: str | None = None
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    error: PitcheyError | None = None


class ToolTable:
    """The external programs that the installed plugins use.

    Each is searched once: first the setting ``tools.NAME``, then ``PATH``, then the bundled wheel.

    Args:
        specs: Specifications by name, as of ``Registry.tools``.
        overrides: Paths by name, as of the settings' table ``tools``.
    """

    def __init__(self, specs: Mapping[str, ToolSpec], overrides: Mapping[str, str] | None = None) -> None:
        self._specs = specs
        self._overrides = dict(overrides or {})
        self._found: dict[str, tuple[Path, str]] = {}
        self._statuses: dict[str, ToolStatus] = {}

    @property
    def specs(self) -> Mapping[str, ToolSpec]:
        return self._specs

    def spec(self, name: str) -> ToolSpec:
        """The specification of a tool.

        Raises:
            UnknownName: No installed plugin has a tool of that name.
        """
        try:
            return self._specs[name]
        except KeyError:
            raise UnknownName("tool", name, self._specs) from None

    def path(self, name: str) -> Path:
        """Where a tool is.

        Raises:
            ToolMissing: It is not on this host; the remedy is this system's command to install it.
            ConfigError: The setting ``tools.NAME`` names something that cannot be run.
            UnknownName: No installed plugin has a tool of that name.
        """
        return self._find(name)[0]

    def _find(self, name: str) -> tuple[Path, str]:
        if name not in self._found:
            spec = self.spec(name)
            self._found[name] = self._configured(name) or _on_path(spec) or _bundled(spec) or _refuse(spec)
        return self._found[name]

    def _configured(self, name: str) -> tuple[Path, str] | None:
        given = self._overrides.get(name)
        if not given:
            return None
        path = Path(given).expanduser()
        if not path.exists() and path.name == given and (found := shutil.which(given)):
            path = Path(found)
        if not _runnable(path):
            reason = "is not an executable file" if path.exists() else "does not exist"
            raise ConfigError(
                f"tools.{name}: {given!r} {reason}",
                remedy=f"correct or remove it (in the environment: PITCHEY_TOOLS__{name.upper()})",
            )
        return path.absolute(), "settings"

    def probe(self, name: str) -> ToolStatus:
        """Run a tool to learn its version and capabilities. What is wrong with it is data, not raised.

        Raises:
            UnknownName: No installed plugin has a tool of that name.
        """
        if name not in self._statuses:
            self._statuses[name] = self._probe(self.spec(name))
        return self._statuses[name]

    def _probe(self, spec: ToolSpec) -> ToolStatus:
        try:
            path, source = self._find(spec.name)
        except PitcheyError as error:
            return ToolStatus(spec.name, error=error)
        version = None
        try:
            version = _version(spec, path)
            capabilities = load_target(spec.capabilities)(path) if spec.capabilities else {}
        except PitcheyError as error:
            return ToolStatus(spec.name, path, source, version, error=error)
        except Exception as error:  # noqa: BLE001 - a plugin's probe may raise anything; doctor shows it
            words = f"{spec.name}: its capabilities cannot be probed: {type(error).__name__}: {error}"
            return ToolStatus(spec.name, path, source, version, error=PitcheyError(words))
        return ToolStatus(spec.name, path, source, version, capabilities)

    def probe_all(self) -> list[ToolStatus]:
        """The status of every tool, by name."""
        return [self.probe(name) for name in sorted(self._specs)]


def _runnable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _on_path(spec: ToolSpec) -> tuple[Path, str] | None:
    for executable in spec.executables or (spec.name,):
        if found := shutil.which(executable):
            return Path(found).absolute(), "PATH"
    return None


def _bundled(spec: ToolSpec) -> tuple[Path, str] | None:
    if spec.bundled is None:
        return None
    try:
        path = Path(load_target(spec.bundled)())
    except Exception:  # noqa: BLE001 - not installed, or installed without a program for this platform: both mean no
        return None
    return (path.absolute(), "bundled") if _runnable(path) else None


def _version(spec: ToolSpec, path: Path) -> str | None:
    environment = {name: os.environ[name] for name in spec.environment if name in os.environ}
    done = run([path, *spec.version_args], tool=spec.name, env=environment, limits=_PROBE_LIMITS)
    # Some print it to stderr.
    match = re.search(spec.version_pattern, (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace"))
    return match[1] if match else None


def _refuse(spec: ToolSpec) -> tuple[Path, str]:
    raise ToolMissing(f"{spec.name} is not installed on this host", remedy=_remedy(spec))


def _remedy(spec: ToolSpec) -> str:
    families = [*os_families(), "*"]
    install = next((spec.remedies[family] for family in families if family in spec.remedies), None)
    ways = [install] if install else []
    if spec.bundled_requirement:
        ways.append(f"pip install '{spec.bundled_requirement}'")
    ways.append(f"set tools.{spec.name} in pitchey.toml to its path")
    return ", or ".join(ways)


def os_families(os_release: Path = Path("/etc/os-release")) -> list[str]:
    """Names under which remedies for this system may be listed, most specific first."""
    try:
        text = os_release.read_text("utf-8", "replace")
    except OSError:
        return []
    entries = dict(re.findall(r"^(ID|ID_LIKE)=[\"']?([^\"'\n]*)", text, re.MULTILINE))
    names = f"{entries.get('ID', '')} {entries.get('ID_LIKE', '')}".lower().split()
    return list(dict.fromkeys(names + [_RELATED[name] for name in names if name in _RELATED]))
