"""Folders that have no ``model.toml``: the ONNX layout of Hugging Face, and a single ``.onnx`` file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from pitchey_core.errors import InputError
from pitchey_inference.bundles.manifest import Manifest, manifest_of

__all__ = ["HUB_FILES", "MAX_CONFIG_BYTES", "WEIGHTS", "hub_manifest", "name_of", "single_manifest"]

WEIGHTS: Final = (
    "onnx/model.onnx",
    "model.onnx",
    "onnx/model_quantized.onnx",
    "model_quantized.onnx",
    "onnx/model_int8.onnx",
    "onnx/model_fp16.onnx",
)
"""Where that layout keeps the graph; the first that is there is used."""

HUB_FILES: Final = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "README.md",
)
"""The other files of it that are read."""

MAX_CONFIG_BYTES: Final = 16 * 1024**2
_TASKS: Final = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForImageClassification": "image-classification",
}
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")

Read = Callable[[str], bytes | None]
"""The content of a file of the folder; ``None`` if there is none."""


def name_of(reference: str) -> str:
    """A name for a model that has none of its own: the last part of its path or URL."""
    path = PurePosixPath(reference.rstrip("/").partition("@")[0])
    last = path.stem if path.suffix == ".onnx" else path.name
    clean = _UNSAFE.sub("-", last).strip("-._")
    return clean[:100] or "model"


def single_manifest(file: str, reference: str, *, others: Sequence[str] = ()) -> Manifest:
    """The manifest of a single graph: named tensors in and out.

    Args:
        others: Files beside it that may hold its tensors.
    """
    files = {"model": {"path": file}, **{f"data-{n}": {"path": each} for n, each in enumerate(others)}}
    return manifest_of({"name": name_of(reference), "task": "tensors", "files": files}, reference)


def hub_manifest(reference: str, read: Read, files: Sequence[str]) -> Manifest | None:
    """The manifest of a folder in the ONNX layout of Hugging Face; ``None`` if it is none.

    Labels come from ``id2label`` of ``config.json``, the task from its ``architectures``, the longest input from
    ``tokenizer_config.json`` and ``max_position_embeddings``, pooling from ``1_Pooling``, pictures from
    ``preprocessor_config.json``.

    Args:
        read: Reads a file of the folder.
        files: What is in the folder, relative, with ``/``.

    Raises:
        InputError: One of the files is not JSON.
    """
    weights = next((each for each in WEIGHTS if each in files), None)
    if weights is None or "config.json" not in files:
        return None

    def config(name: str) -> dict[str, Any]:
        return _json(read(name), name, reference) if name in files else {}

    try:
        return manifest_of(_hub_table(reference, weights, files, config), reference)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{reference}: its configuration is not what the hub's tools write: {error}",
            remedy="write a model.toml (docs/inference.md)",
        ) from None


def _hub_table(
    reference: str, weights: str, files: Sequence[str], config: Callable[[str], dict[str, Any]]
) -> dict[str, Any]:
    main = config("config.json")
    task = _task(main, files)
    table: dict[str, Any] = {
        "name": name_of(reference),
        "task": task,
        "version": str(main.get("_commit_hash") or main.get("transformers_version") or "1")[:40],
        "source": reference,
        "files": _file_table(weights, files),
        "labels": _labels(main),
        "text": _text(
            main, config("tokenizer_config.json"), config("sentence_bert_config.json"), files, config
        ),
    }
    if main.get("problem_type") == "multi_label_classification":
        table["output"] = {"multi_label": True}
    if task == "image-classification":
        table["image"] = _image(config("preprocessor_config.json"))
    if task in ("embeddings", "tensors"):
        table.pop("labels")
    return table


def _file_table(weights: str, files: Sequence[str]) -> dict[str, Any]:
    table: dict[str, Any] = {"model": {"path": weights}}
    data = [each for each in files if each.startswith(weights) and each != weights]
    table |= {f"data-{number}": {"path": each} for number, each in enumerate(sorted(data))}
    if "tokenizer.json" in files:
        table["tokenizer"] = {"path": "tokenizer.json"}
    if "README.md" in files:
        table["card"] = {"path": "README.md"}
    return table


def _json(data: bytes | None, name: str, reference: str) -> dict[str, Any]:
    if data is None or len(data) > MAX_CONFIG_BYTES:
        raise InputError(f"{reference}: {name} cannot be read")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{reference}: {name} is not JSON: {error}") from None
    if isinstance(found, list):
        return {"entries": found}
    if not isinstance(found, dict):
        raise InputError(f"{reference}: {name} is not a JSON object")
    return found


def _task(main: Mapping[str, Any], files: Sequence[str]) -> str:
    for architecture in main.get("architectures") or []:
        for ending, task in _TASKS.items():
            if str(architecture).endswith(ending):
                return task
    if "1_Pooling/config.json" in files or "modules.json" in files:
        return "embeddings"
    return "embeddings" if "tokenizer.json" in files else "tensors"


def _labels(main: Mapping[str, Any]) -> list[str]:
    given = main.get("id2label")
    if not isinstance(given, dict):
        return []
    try:
        return [str(given[key]) for key in sorted(given, key=int)]
    except ValueError:
        raise InputError("config.json: the keys of id2label are not numbers") from None


def _text(
    main: Mapping[str, Any],
    tokenizer: Mapping[str, Any],
    sentence: Mapping[str, Any],
    files: Sequence[str],
    config: Callable[[str], dict[str, Any]],
) -> dict[str, Any]:
    given = (
        sentence.get("max_seq_length"),
        tokenizer.get("model_max_length"),
        main.get("max_position_embeddings"),
    )
    # "No limit" is written as 1e30.
    limits = [int(each) for each in given if isinstance(each, int | float) and 3 <= each <= 1_000_000]
    table: dict[str, Any] = {"max_tokens": min(limits, default=512)}
    if str(main.get("model_type")) in ("roberta", "xlm-roberta", "camembert") and limits:
        # Their positions begin behind the padding's.
        table["max_tokens"] = min(table["max_tokens"], int(main.get("max_position_embeddings") or 514) - 2)
    if "1_Pooling/config.json" in files:
        pooling = config("1_Pooling/config.json")
        table["pooling"] = "cls" if pooling.get("pooling_mode_cls_token") else "mean"
        modules = config("modules.json").get("entries", []) if "modules.json" in files else []
        types = [str(each.get("type", "")) for each in modules if isinstance(each, dict)]
        table["normalise"] = any(each.endswith("Normalize") for each in types) if types else True
    return table


def _image(processor: Mapping[str, Any]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    size = processor.get("crop_size") or processor.get("size") or 224
    resize = processor.get("size") or {}
    if isinstance(size, int):
        table["size"] = [size, size]
    elif "height" in size:
        table["size"] = [size["width"], size["height"]]
    elif "shortest_edge" in size:
        table["size"] = [size["shortest_edge"]] * 2
    if isinstance(resize, dict) and "shortest_edge" in resize:
        table["resize_to"] = resize["shortest_edge"]
    elif not processor.get("do_center_crop"):
        table["resize"] = "stretch"
    for ours, theirs in (("mean", "image_mean"), ("std", "image_std")):
        if processor.get("do_normalize", True) and isinstance(processor.get(theirs), list):
            table[ours] = processor[theirs]
    if processor.get("do_normalize") is False:
        table |= {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}
    if isinstance(processor.get("rescale_factor"), float):
        table["rescale"] = processor["rescale_factor"]
    return table
