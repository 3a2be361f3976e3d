"""``pitchey-run presets``."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from pitchey_core.errors import ConfigError
from pitchey_core.registry import Registry
from pitchey_media.catalog import Catalog

__all__ = ["presets"]


def _catalog() -> Catalog:
    from pitchey_core.settings import load_settings  # costs a tenth of a second

    entries = {name: each.spec for name, each in Registry.load().catalog("preset").items()}
    options = load_settings().settings.plugins.get("media", {})
    return Catalog.of(entries, options)


def _as_json(ctx: click.Context) -> bool:
    """What ``--json`` says, which ``pitchey-run`` gives to every verb; else JSON for programs and text for people."""
    asked: bool | None = getattr(ctx.obj, "json", None)
    return asked if asked is not None else not sys.stdout.isatty()


@click.group(invoke_without_command=True)
@click.pass_context
def presets(ctx: click.Context) -> None:
    """Presets for media: the built-in ones, those of plugins, and those in pitchey.toml."""
    if ctx.invoked_subcommand is None:
        _print_list(_catalog(), as_json=_as_json(ctx))


def _print_list(catalog: Catalog, *, as_json: bool) -> None:
    width = max(len(name) for name in catalog.names)
    for name in catalog.names:
        try:
            summary = catalog.preset(name).summary
        except ConfigError as error:
            summary = f"cannot be used: {error.message}"
        if as_json:
            click.echo(json.dumps({"name": name, "summary": summary, "origin": catalog.origin(name)}))
        else:
            origin = "" if catalog.origin(name) == "plugins" else f" ({catalog.origin(name)})"
            click.echo(f"{name:<{width}}  {summary}{origin}")


@presets.command()
@click.argument("name")
@click.pass_context
def show(ctx: click.Context, name: str) -> None:
    """Show one preset with everything that it inherits."""
    catalog = _catalog()
    catalog.preset(name)
    table = catalog.table(name)
    if _as_json(ctx):
        click.echo(json.dumps({"name": name, **table}))
        return
    click.echo("\n".join(_toml(name, table)))


def _toml(path: str, table: dict[str, Any]) -> list[str]:
    """A table as TOML; the schema has no values but these."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"[{path}]", *(f"{key} = {_value(value)}" for key, value in plain.items())]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += ["", *_toml(f"{path}.{key}", value)]
    return lines


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)
