"""``hf://org/name@revision``: models of the Hugging Face Hub, through ``huggingface_hub`` (extra ``pitchey[hf]``)."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any, Final

from pitchey_core.errors import ExtraMissing, InputError, TransientError
from pitchey_inference.bundles.bundle import MAX_FILE_BYTES, sha256_of
from pitchey_inference.bundles.layouts import HUB_FILES, WEIGHTS
from pitchey_inference.bundles.manifest import MANIFEST_NAME, parse_manifest
from pitchey_inference.bundles.pulled import Pulled, staged

__all__ = ["parse_hub_url", "pull_from_hub"]

_URL: Final = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?/?")


def parse_hub_url(url: str) -> tuple[str, str]:
    """Repository and revision (``main`` by default).

    Raises:
        InputError: It is not written like that.
    """
    match = _URL.fullmatch(url)
    if match is None or ".." in url:
        raise InputError(f"{url!r} names no model of the hub", remedy="write hf://ORGANISATION/NAME@REVISION")
    return match["repo"], match["revision"] or "main"


def pull_from_hub(url: str, cache: Path) -> Pulled:
    """Pull the files of a model that are read here. What ``huggingface_hub`` has in its own cache is not fetched again.

    Raises:
        ExtraMissing: ``huggingface_hub`` is not installed.
        InputError: There is no such model or revision, it has no ONNX files, or a file's checksum is not the hub's.
        TransientError: The hub cannot be reached, and its cache does not have the model.
    """
    repo, revision = parse_hub_url(url)
    try:
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"{url} needs huggingface_hub, which is not installed", remedy="pip install 'pitchey[hf]'"
        ) from error
    try:
        commit, sums = _listing(huggingface_hub, repo, revision)
    except TransientError:
        cached = _cached(huggingface_hub, repo, revision)
        if cached is None:
            raise
        commit, sums = cached
    wanted = _wanted(url, sums)
    with staged(cache, url, commit) as folder:
        for name in wanted:
            _download(huggingface_hub, url, repo, commit, name, sums[name], folder)
        if MANIFEST_NAME in sums:
            text = (folder / MANIFEST_NAME).read_text("utf-8", "replace")
            for entry in parse_manifest(text, url).files.values():
                if entry.package is None and not (folder / entry.path).exists():
                    _download(huggingface_hub, url, repo, commit, entry.path, sums.get(entry.path), folder)
    found = Pulled.find(cache, url)
    assert found is not None
    return found


def _listing(hub: Any, repo: str, revision: str) -> tuple[str, dict[str, str | None]]:
    """The commit, and the checksum of each file where the hub states one (those in large-file storage)."""
    try:
        info = hub.HfApi().model_info(repo, revision=revision, files_metadata=True)
    except Exception as error:
        raise _hub_error(hub, error, repo, revision) from error
    sums: dict[str, str | None] = {}
    for each in info.siblings or []:
        large = getattr(each, "lfs", None)
        sums[each.rfilename] = getattr(large, "sha256", None) if large is not None else None
        if large is not None and isinstance(large, dict):
            sums[each.rfilename] = large.get("sha256")
    return str(info.sha), sums


def _cached(hub: Any, repo: str, revision: str) -> tuple[str, dict[str, str | None]] | None:
    try:
        folder = Path(hub.snapshot_download(repo, revision=revision, local_files_only=True))
    except Exception:  # noqa: BLE001 - whatever it is, the snapshot is not there
        return None
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return folder.name, dict.fromkeys(files)


def _wanted(url: str, sums: dict[str, str | None]) -> list[str]:
    if MANIFEST_NAME in sums:
        return [MANIFEST_NAME]
    weights = next((each for each in WEIGHTS if each in sums), None)
    if weights is None:
        graphs = [each for each in sums if each.endswith(".onnx")]
        raise InputError(
            f"{url} has no ONNX file where one is looked for",
            remedy=f"it has: {', '.join(graphs)}" if graphs else "export it: optimum-cli export onnx",
        )
    beside = [each for each in sums if each.startswith(weights) and each != weights]
    return [weights, *beside, *(each for each in HUB_FILES if each in sums)]


def _download(
    hub: Any, url: str, repo: str, commit: str, name: str, expected: str | None, folder: Path
) -> None:
    try:
        source = Path(hub.hf_hub_download(repo, name, revision=commit))
    except Exception as error:
        raise _hub_error(hub, error, repo, commit) from error
    if source.stat().st_size > MAX_FILE_BYTES:
        raise InputError(f"{url}: {name} is larger than {MAX_FILE_BYTES} bytes")
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    found = sha256_of(target)
    if expected is not None and found != expected:
        raise InputError(
            f"{url}: {name} has the checksum {found}; the hub says {expected}", remedy="fetch it again"
        )


def _hub_error(hub: Any, error: Exception, repo: str, revision: str) -> Exception:
    words = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    errors = hub.errors
    if isinstance(error, errors.GatedRepoError):
        return InputError(f"hf://{repo} is gated: {words}", remedy="accept its terms and set HF_TOKEN")
    if isinstance(error, errors.RevisionNotFoundError):
        return InputError(
            f"hf://{repo} has no revision {revision!r}", remedy="look the revision up on the hub"
        )
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return InputError(
            f"hf://{repo} does not exist, or is private",
            remedy="check the name; for a private one set HF_TOKEN",
        )
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return InputError(f"hf://{repo}: {words}")
    return TransientError(f"the hub cannot be reached for {repo}: {words}")
