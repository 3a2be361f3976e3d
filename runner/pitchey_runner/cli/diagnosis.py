"""Looks at everything that jobs will need on this host."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from pitchey_core.capacity import host_capacity
from pitchey_core.errors import PitcheyError
from pitchey_core.host import Host
from pitchey_core.isolation import probe
from pitchey_core.slots import SUPERVISION, enforcer
from pitchey_core.storage import display
from pitchey_core.tools import ToolStatus, ToolTable
from pitchey_runner.store.drivers import driver_of
from pitchey_runner.store.migrations import HEAD

if TYPE_CHECKING:
    from pitchey_core.registry import Registry
    from pitchey_core.settings import Settings

__all__ = ["Diagnosis", "examine"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The findings.

    Attributes:
        processors: Name of each processor, with the error that keeps it from running, if there is one.
        reduced: Those that want more memory by default than jobs may have here: what they want and what they get.
        needed_by: For each tool the processors that need it.
        store_error: Why the store cannot be used.
    """

    tools: list[ToolStatus]
    needed_by: Mapping[str, list[str]]
    processors: Mapping[str, PitcheyError | None]
    reduced: Mapping[str, tuple[int, int]]
    plugin_failures: list[str]
    store: Mapping[str, Any]
    store_error: PitcheyError | None
    host: Mapping[str, Any]

    @property
    def exit_code(self) -> int:
        needed = any(status.error and self.needed_by.get(status.name) for status in self.tools)
        if needed or any(self.processors.values()):
            return 3
        return 1 if self.plugin_failures or self.store_error else 0

    def as_record(self) -> dict[str, Any]:
        """All of it as JSON data."""
        return {
            "ok": self.exit_code == 0,
            "host": dict(self.host),
            "tools": [
                {
                    "name": each.name,
                    "path": None if each.path is None else display(str(each.path)),
                    "source": each.source,
                    "version": each.version,
                    "capabilities": dict(each.capabilities),
                    "needed_by": self.needed_by.get(each.name, []),
                    "error": each.error.as_record() if each.error else None,
                }
                for each in self.tools
            ],
            "processors": [
                {
                    "name": name,
                    "error": error.as_record() if error else None,
                    "reduced_to_bytes": self.reduced[name][1] if name in self.reduced else None,
                }
                for name, error in self.processors.items()
            ],
            "plugin_failures": self.plugin_failures,
            "store": {**self.store, "error": self.store_error.as_record() if self.store_error else None},
        }


def examine(registry: Registry, settings: Settings) -> Diagnosis:
    """Run every tool, import every processor, open the store's schema. What is wrong is data, not raised."""
    needed: dict[str, list[str]] = {}
    for name, each in registry.processors.items():
        for tool in each.spec.tools:
            needed.setdefault(tool, []).append(name)
    store, store_error = _store(settings)
    return Diagnosis(
        tools=ToolTable(registry.tools, settings.tools).probe_all(),
        needed_by=needed,
        processors={name: _processor_error(registry, name) for name in registry.processors},
        reduced=_reduced(Host(registry, settings)),
        plugin_failures=[str(each) for each in registry.failures],
        store=store,
        store_error=store_error,
        host=_host(settings),
    )


def _processor_error(registry: Registry, name: str) -> PitcheyError | None:
    try:
        registry.processor(name)
    except PitcheyError as error:
        return error
    return None


def _reduced(host: Host) -> dict[str, tuple[int, int]]:
    found = {}
    for name in host.registry.processors:
        kind = host.spec(name).resources
        with contextlib.suppress(PitcheyError):
            wanted, given = host.instance(kind).memory_bytes, host.instance_for(name, kind).memory_bytes
            if given < wanted:
                found[name] = wanted, given
    return found


def _store(settings: Settings) -> tuple[dict[str, Any], PitcheyError | None]:
    facts: dict[str, Any] = {"url": display(settings.store), "revision": None, "current": HEAD}
    try:
        facts["revision"] = driver_of(settings.store).schema_revision(settings.store)
    except PitcheyError as error:
        return facts, error
    return facts, None


def _sandbox() -> str:
    """Which of its walls cannot be built here, and what can be done about that."""
    found = [f"{layer}: {words}" for layer, words in probe().items() if words.startswith("not enforced")]
    return "; ".join(found) or "every wall stands"


def _host(settings: Settings) -> dict[str, Any]:
    data_dir = at = settings.data_dir
    here = host_capacity(settings.host)
    while not at.exists() and at != at.parent:
        at = at.parent
    try:
        pitchey = version("pitchey")
    except PackageNotFoundError:
        pitchey = "not installed"
    return {
        "pitchey": pitchey,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "vcpus_for_jobs": here.vcpus,
        "memory_for_jobs_bytes": here.memory_bytes,
        "gpus": here.gpus,
        "limits_enforced_by": enforcer() if settings.host.cgroups else SUPERVISION,
        "sandbox": _sandbox(),
        "data_dir": display(str(data_dir)),
        "data_dir_free_bytes": shutil.disk_usage(at).free,
    }
