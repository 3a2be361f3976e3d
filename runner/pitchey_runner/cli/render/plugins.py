"""Plugins."""

from __future__ import annotations

from typing import Any

from pitchey_core.registry import PluginInfo, Registry
from pitchey_runner.cli.render.output import write_json, write_table

__all__ = ["plugin_records", "show_plugins"]


def plugin_records(registry: Registry) -> list[dict[str, Any]]:
    """Every plugin as JSON data; ``error`` is set for those that could not be loaded."""
    loaded = [_record(registry, each, None) for each in registry.plugins]
    failed = [
        _record(registry, each.plugin, f"{type(each.error).__name__}: {each.error}")
        for each in registry.failures
    ]
    return [*loaded, *failed]


def show_plugins(registry: Registry, *, as_json: bool) -> None:
    """A line for each."""
    records = plugin_records(registry)
    if as_json:
        for record in records:
            write_json(record)
        return
    rows = [
        (
            each["name"],
            "broken" if each["error"] else "ok",
            f"{each['distribution'] or '-'} {each['version'] or ''}".strip(),
            each["error"] or ", ".join([*each["processors"], *each["commands"]]),
        )
        for each in records
    ]
    write_table(["plugin", "state", "package", "offers"], rows, empty="no plugins are installed")


def _record(registry: Registry, plugin: PluginInfo, error: str | None) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "module": plugin.module,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "processors": [name for name, each in registry.processors.items() if each.plugin == plugin],
        "commands": [name for name, each in registry.commands.items() if each.plugin == plugin],
        "error": error,
    }
