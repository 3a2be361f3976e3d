"""``pitchey-run models``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pitchey_core.errors import ExtraMissing, PitcheyError, UsageError

if TYPE_CHECKING:
    from pitchey_inference.bundles.opening import Access
    from pitchey_inference.catalog import Catalog, Found

__all__ = ["models"]


def _as_json(ctx: click.Context) -> bool:
    """What ``--json`` says, which ``pitchey-run`` gives to every verb; else JSON for programs and text for people."""
    asked: bool | None = getattr(ctx.obj, "json", None)
    return asked if asked is not None else not sys.stdout.isatty()


def _world() -> tuple[Catalog, Access, dict[str, Any]]:
    """The catalogue, what may be fetched, and the plugin's settings."""
    import tempfile
    from pathlib import Path

    from pitchey_core.registry import Registry
    from pitchey_core.settings import load_settings
    from pitchey_core.storage import fetch
    from pitchey_inference.bundles.opening import Access
    from pitchey_inference.catalog import KIND, Catalog

    settings = load_settings().settings
    options = settings.plugins.get("inference", {})
    entries = {name: each.spec for name, each in Registry.load().catalog(KIND).items()}
    policy = settings.fetch.as_policy()

    def local(url: str) -> Path:
        return fetch(url, Path(tempfile.gettempdir()), policy=policy).path

    return Catalog.of(entries, options), Access(policy, local), dict(options)


@click.group(invoke_without_command=True)
@click.pass_context
def models(ctx: click.Context) -> None:
    """Models for inference: the built-in ones, those of plugins, those in pitchey.toml, and those that were pulled."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_models)


@models.command("list")
@click.pass_context
def list_models(ctx: click.Context) -> None:
    """List the models that a job can name."""
    rows = list(_rows())
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        if _as_json(ctx):
            click.echo(json.dumps(row))
        else:
            click.echo(f"{row['name']:<{width}}  {row['task']:<21} {row['summary']} ({row['origin']})")


def _rows() -> Iterator[dict[str, str]]:
    from pitchey_inference.bundles.pulled import pulled_models
    from pitchey_inference.runtime.optimised import cache_folder

    catalog, access, _ = _world()
    for name in catalog.names:
        if name in catalog.configured:
            # Not opened: it may be remote.
            yield {"name": name, "task": "", "summary": catalog.configured[name], "origin": "settings"}
            continue
        try:
            manifest = catalog.find(name, access).bundle.manifest
            yield {"name": name, "task": manifest.task, "summary": manifest.summary, "origin": "plugin"}
        except (PitcheyError, ImportError) as error:
            words = error.message if isinstance(error, PitcheyError) else str(error)
            yield {"name": name, "task": "", "summary": f"cannot be used: {words}", "origin": "plugin"}
    cache = cache_folder()
    for each in pulled_models(cache) if cache is not None else ():
        yield {"name": each.url, "task": "", "summary": each.revision, "origin": "pulled"}


@models.command()
@click.argument("model")
@click.pass_context
def show(ctx: click.Context, model: str) -> None:
    """Show what a model says of itself: name, task, files, labels, limits, licence, card."""
    found = _found(model)
    record = {
        "origin": found.origin,
        "source": found.bundle.origin,
        **found.bundle.manifest.model_dump(mode="json"),
    }
    if _as_json(ctx):
        click.echo(json.dumps(record))
        return
    for line in _lines(record):
        click.echo(line)


def _lines(record: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{key}.")
        elif value not in (None, "", []):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{prefix}{key}: {shown}"


@models.command()
@click.argument("url")
@click.pass_context
def pull(ctx: click.Context, url: str) -> None:
    """Fetch a model into the cache, anew if it is there; jobs then need no network. URL: hf://ORG/NAME@REVISION, …"""
    from pitchey_core.storage import scheme_of
    from pitchey_inference.bundles.opening import pull as pull_bundle

    catalog, access, _ = _world()
    url = catalog.configured.get(url, url)
    if scheme_of(url) in (None, "file"):
        raise UsageError(
            f"{url!r} is not remote", remedy="give a URL: hf://ORG/NAME@REVISION, https://…, s3://…"
        )
    pulled = pull_bundle(url, access, refresh=True)
    manifest = _found(url).bundle.manifest
    if _as_json(ctx):
        record = {"url": url, "revision": pulled.revision, "files": pulled.checksums}
        click.echo(json.dumps({**record, "name": manifest.name, "task": manifest.task}))
        return
    click.echo(f"{manifest.name} ({manifest.task}) {pulled.revision}")
    for name, checksum in pulled.checksums.items():
        click.echo(f"  {checksum}  {name}")


@models.command()
@click.argument("model", required=False)
@click.pass_context
def verify(ctx: click.Context, model: str | None) -> None:
    """Check the files of a model (default: of all named ones) against their checksums, and look its graph through."""
    catalog, access, options = _world()
    failed: PitcheyError | None = None
    for name in [model] if model is not None else catalog.names:
        try:
            found = catalog.find(name, access)
            record: dict[str, Any] = {"name": name, "ok": True, **_verified(found, options)}
        except PitcheyError as error:
            failed = failed or error
            record = {"name": name, "ok": False, "error": error.as_record()}
        except ImportError as error:
            failed = failed or ExtraMissing(
                f"model {name!r}: {error}", remedy="pip install 'pitchey[inference]'"
            )
            record = {"name": name, "ok": False, "error": failed.as_record()}
        if _as_json(ctx):
            click.echo(json.dumps(record))
        else:
            click.echo(f"{name}: {'ok' if record['ok'] else record['error']['message']}")
    if failed is not None:
        raise failed


def _verified(found: Found, options: dict[str, Any]) -> dict[str, Any]:
    from pitchey_inference.checks import ModelLimits, check_model

    bundle = found.bundle
    sums = bundle.verify()
    record: dict[str, Any] = {"files": sums}
    if bundle.has("model"):
        looked = check_model(bundle.read("model"), bundle.origin, ModelLimits.from_options(options))
        record |= {"nodes": looked.nodes, "tensor_bytes": looked.tensor_bytes, "loops": looked.loops}
    return record


@models.command()
@click.argument("model")
@click.option(
    "--threads", type=click.IntRange(1, 256), default=1, help="Threads inside one operator.  [default: 1]"
)
@click.option(
    "--seconds", type=click.FloatRange(0.1, 60), default=2.0, help="How long to measure.  [default: 2]"
)
@click.pass_context
def bench(ctx: click.Context, model: str, threads: int, seconds: float) -> None:
    """Measure a text model here: time to load, texts a second one by one and together, at short and long texts."""
    from pitchey_inference.benching import bench_model

    catalog, access, options = _world()
    record = bench_model(model, catalog, access, options, threads=threads, seconds=seconds)
    if _as_json(ctx):
        click.echo(json.dumps(record))
        return
    click.echo(
        f"{record['model']}: loaded in {record['load_seconds']:.3f} s, {', '.join(record['providers'])}"
    )
    for row in record["rows"]:
        click.echo(
            f"  {row['words']:>4} words: {row['one_by_one']:>8.1f} texts/s one by one, {row['together']:>8.1f} together"
        )


def _found(model: str) -> Found:
    catalog, access, _ = _world()
    return catalog.find(model, access)
