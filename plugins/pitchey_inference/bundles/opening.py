"""From what a job wrote to a bundle: a path, a URL, or a model of the hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pitchey_core.errors import InputError
from pitchey_core.storage import FetchPolicy, display, scheme_of, to_path, to_url
from pitchey_inference.bundles.bundle import Bundle
from pitchey_inference.bundles.layouts import MAX_CONFIG_BYTES, hub_manifest, single_manifest
from pitchey_inference.bundles.manifest import MANIFEST_NAME, FileEntry, parse_manifest
from pitchey_inference.bundles.pulled import Pulled, alone, pull_url
from pitchey_inference.runtime.optimised import cache_folder

__all__ = ["Access", "open_bundle", "open_folder", "pull"]

_MAX_MANIFEST_BYTES: Final = 1024**2
_MOST_FILES: Final = 2000


@dataclass(frozen=True, slots=True)
class Access:
    """What may be read for a job, and how.

    Attributes:
        policy: What may be fetched.
        fetch: Makes a URL's content a local file.
        cancelled: Asked while something is downloaded.
    """

    policy: FetchPolicy
    fetch: Callable[[str], Path]
    cancelled: Callable[[], bool] | None = None


def open_bundle(reference: str, access: Access) -> Bundle:
    """The bundle at a path or URL. What is remote is pulled once, and read from the cache afterwards.

    Raises:
        InputError: There is none, it may not be read, or it is damaged.
        ConfigError, UnknownName: Its manifest is wrong.
        ExtraMissing: The driver of its URL is not installed.
        TransientError: The network failed.
    """
    url = reference if scheme_of(reference) else to_url(_expanded(reference), Path.cwd())
    path = to_path(url)
    if path is not None:

        def admit(file: Path) -> object:
            return access.fetch(to_url(file, file.parent))

        return _open_local(path, display(url), admit)
    return _open_pulled(url, pull(url, access, refresh=False))


def _expanded(reference: str) -> Path:
    try:
        return Path(reference).expanduser()
    except RuntimeError:
        raise InputError(f"{reference}: there is no such user", remedy="write the whole path") from None


def pull(url: str, access: Access, *, refresh: bool) -> Pulled:
    """Fetch a remote bundle into the cache.

    Args:
        refresh: Also if it is there already.

    Raises:
        InputError: There is no cache folder, or as for :func:`open_bundle`.
        ConfigError: The cache folder cannot be written to.
        OutOfSpace: Its disk is full.
    """
    cache = cache_folder()
    if cache is None:
        raise InputError(
            f"{display(url)} is remote, and there is no cache folder", remedy="unset PITCHEY_MODEL_CACHE"
        )
    # Also for what is in the cache already: it was fetched for somebody who may have been allowed more.
    is_hub = scheme_of(url) == "hf"
    access.policy.check(f"https://huggingface.co/{url[5:]}" if is_hub else url)
    found = None if refresh else Pulled.find(cache, url)
    if found is not None:
        return found
    with alone(cache, url, access.cancelled):
        # Another process may have fetched it while this one waited.
        found = None if refresh else Pulled.find(cache, url)
        if found is not None:
            return found
        if is_hub:
            from pitchey_inference.bundles.hub import pull_from_hub

            return pull_from_hub(url, cache)
        return pull_url(url, cache, access.policy, access.cancelled)


def _open_pulled(url: str, pulled: Pulled) -> Bundle:
    """What was pulled has checksums for all files, also for those whose manifest has none."""
    bundle = open_folder(pulled.folder, display(url), None, name=url)
    sums = pulled.checksums
    files = {
        role: FileEntry(path=entry.path, sha256=entry.sha256 or sums.get(entry.path))
        if not entry.package
        else entry
        for role, entry in bundle.manifest.files.items()
    }
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"files": files}))


def _open_local(path: Path, shown: str, admit: Callable[[Path], object]) -> Bundle:
    if path.is_dir():
        return open_folder(path, shown, admit)
    # Says so if it does not exist, is empty, or may not be read.
    admit(path)
    if path.name == MANIFEST_NAME:
        return open_folder(path.parent, shown, admit)
    if path.suffix.lower() != ".onnx":
        raise InputError(
            f"{shown} is neither a model's folder, a {MANIFEST_NAME}, nor an .onnx file",
            remedy="give one of them",
        )
    others = [
        each.name for each in sorted(path.parent.glob(f"{path.name}*")) if each != path and each.is_file()
    ]
    return Bundle(single_manifest(path.name, shown, others=others), shown, path.parent, admit)


def open_folder(
    folder: Path, shown: str, admit: Callable[[Path], object] | None, *, name: str | None = None
) -> Bundle:
    """The bundle in a local folder.

    Args:
        shown: What to call it in messages.
        name: What to name it after, where it has no manifest.

    Raises:
        InputError: The folder holds no model.
    """
    manifest = folder / MANIFEST_NAME
    if manifest.is_file():
        if admit is not None:
            admit(manifest)
        if manifest.stat().st_size > _MAX_MANIFEST_BYTES:
            raise InputError(f"{display(str(manifest))} is larger than any manifest")
        text = manifest.read_text("utf-8", "replace")
        return Bundle(parse_manifest(text, display(str(manifest))), shown, folder, admit)
    files = _files(folder)

    def read(file: str) -> bytes | None:
        path = folder / file
        if admit is not None:
            admit(path)
        is_small = path.is_file() and path.stat().st_size <= MAX_CONFIG_BYTES
        return path.read_bytes() if is_small else None

    found = hub_manifest(name or shown, read, files)
    if found is None:
        graphs = [each for each in files if each.endswith(".onnx")]
        if len(graphs) != 1:
            raise InputError(
                f"{shown} is no model: there is no {MANIFEST_NAME}, no config.json with an ONNX file beside it, and "
                f"{'several' if graphs else 'no'} .onnx files",
                remedy="name the .onnx file itself, or write a model.toml (docs/inference.md)",
            )
        others = [each for each in files if each.startswith(graphs[0]) and each != graphs[0]]
        found = single_manifest(graphs[0], name or shown, others=others)
    return Bundle(found, shown, folder, admit)


def _files(folder: Path) -> list[str]:
    """Files of a folder and of the folders in it, relative; no deeper, and not endlessly many."""
    found: list[str] = []
    for pattern in ("*", "*/*"):
        for path in folder.glob(pattern):
            if path.is_file():
                found.append(path.relative_to(folder).as_posix())
            if len(found) > _MOST_FILES:
                raise InputError(
                    f"{display(str(folder))} holds more than {_MOST_FILES} files: no model's folder"
                )
    return sorted(found)
