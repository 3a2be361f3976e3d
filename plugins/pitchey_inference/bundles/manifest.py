"""``model.toml``: what a bundle says of its model."""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pitchey_core.errors import ConfigError, UnknownName

__all__ = [
    "MANIFEST_NAME",
    "TASKS",
    "EncoderSettings",
    "FileEntry",
    "ImageSettings",
    "Manifest",
    "OutputSettings",
    "TaskName",
    "TextSettings",
    "parse_manifest",
]

MANIFEST_NAME: Final = "model.toml"

TaskName = Literal[
    "text-classification",
    "embeddings",
    "zero-shot",
    "summary",
    "token-classification",
    "image-classification",
    "tensors",
    "pitch-analysis",
]
TASKS: Final[tuple[str, ...]] = TaskName.__args__  # type: ignore[attr-defined]

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Table):
    """A file of the bundle.

    Attributes:
        path: Relative to the bundle's folder (or to ``package``), ``/`` between parts, without ``..``.
        sha256: Checksum of its content, 64 hex digits; checked whenever the file is read.
        package: An installed Python package that carries the file instead of the bundle's folder.
        requirement: What ``pip install`` brings that package.
    """

    path: str = Field(min_length=1, max_length=500)
    sha256: str | None = None
    package: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    requirement: str | None = None

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        parts = PurePosixPath(value).parts
        if value.startswith("/") or ".." in parts or "\\" in value or "\0" in value:
            raise ValueError(f"{value!r} leads out of the bundle")
        return value

    @field_validator("sha256")
    @classmethod
    def _is_digest(cls, value: str | None) -> str | None:
        if value is not None and not _SHA256.fullmatch(value.lower()):
            raise ValueError("not a SHA-256 checksum (64 hex digits)")
        return value.lower() if value is not None else None

    @model_validator(mode="after")
    def _pinned(self) -> FileEntry:
        if self.package is not None and self.sha256 is None:
            raise ValueError("a file of a package needs its sha256")
        return self


class TextSettings(_Table):
    """How text gets into the model, and token vectors out of it.

    Attributes:
        max_tokens: Longest input, special tokens included.
        max_characters: Longest text that is tokenized at all.
        too_long: What is done with a longer text where the job does not say: cut it, or refuse it.
        pooling: How the vectors of tokens become one: their mean, or the first.
        normalise: Scale that vector to length one.
    """

    max_tokens: int = Field(512, ge=3, le=1_000_000)
    max_characters: int = Field(2_000_000, ge=1)
    too_long: Literal["truncate", "refuse"] = "truncate"
    pooling: Literal["mean", "cls"] = "mean"
    normalise: bool = True


_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ImageSettings(_Table):
    """How a picture becomes a tensor: resized, cropped, scaled by ``rescale``, less ``mean``, divided by ``std``.

    Attributes:
        size: Width and height in pixels.
        resize: Shorter side to ``resize_to`` and crop the centre, or stretch.
        resize_to: Pixels of the shorter side before the crop; default: that of ``size``.
        layout: Order of the axes.
        rescale: Factor for values of 0 to 255.
        mean, std: By channel.
    """

    size: tuple[Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)]] = (224, 224)
    resize: Literal["crop", "stretch"] = "crop"
    resize_to: int | None = Field(None, ge=1, le=8192)
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    rescale: _Finite = 1 / 255
    mean: tuple[_Finite, _Finite, _Finite] = (0.485, 0.456, 0.406)
    std: tuple[_Positive, _Positive, _Positive] = (0.229, 0.224, 0.225)


class OutputSettings(_Table):
    """What comes out of the model.

    Attributes:
        name: Which of its outputs; default: the first that fits the task.
        kind: ``logits``, or ``probabilities`` that are distributions already.
        multi_label: The labels do not exclude one another: each has a probability of its own.
    """

    name: str | None = None
    kind: Literal["logits", "probabilities"] = "logits"
    multi_label: bool = False


class EncoderSettings(_Table):
    """A model on top of another one: its float input gets the embedding of the text (``float32[n, size]``), and its
    string input, if it has one, the text itself (``[n, 1]`` or ``[n]``).

    Attributes:
        model: Name of the encoder, as a job would name it.
    """

    model: str = "minilm"


class Manifest(_Table):
    """A bundle's ``model.toml``.

    Attributes:
        name, version: Of the model; reported with every result.
        task: What it can be asked.
        summary: One line for lists.
        licence: An SPDX expression, or words.
        source: Where it comes from.
        card: File of the bundle, or URL, with its model card.
        files: By role: ``model`` (the ONNX file), ``tokenizer`` (tokenizer.json), and any other that belongs to it.
        labels: In the order of the model's output.
        temperature: Logits are divided by it, so that probabilities are calibrated. For ``zero-shot`` the scale of
            similarities.
        dynamic_batches: Several inputs may share a run. ``None``: unless the graph quantises its activations by
            their range, which would make results depend on their neighbours.
    """

    name: str = Field(pattern=_NAME)
    version: str = "1"
    task: TaskName
    summary: str = ""
    licence: str = ""
    source: str = ""
    card: str = ""
    files: dict[str, FileEntry] = Field(default_factory=dict)
    labels: list[str] = Field(default_factory=list, max_length=100_000)
    temperature: float = Field(1.0, ge=0.001, le=1000, allow_inf_nan=False)
    dynamic_batches: bool | None = None
    text: TextSettings = TextSettings()
    image: ImageSettings = ImageSettings()
    output: OutputSettings = OutputSettings()
    encoder: EncoderSettings | None = None


def parse_manifest(text: str, shown: str) -> Manifest:
    """Read a ``model.toml``.

    Args:
        shown: What to call it in messages.

    Raises:
        ConfigError: It is not TOML, or a value is wrong; the message names the key.
        UnknownName: A key or a task is unknown; the nearest is suggested.
    """
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{shown}: not TOML: {error}") from None
    return manifest_of(table, shown)


def manifest_of(table: dict[str, Any], shown: str) -> Manifest:
    """A manifest from data; see :func:`parse_manifest`."""
    try:
        return Manifest.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = _keys_at(first["loc"])
            raise UnknownName(f"key of {shown}:", path, known) from None
        if path == "task" and first["type"] == "literal_error":
            raise UnknownName("task", str(first["input"]), TASKS) from None
        if first["type"] == "missing":
            raise ConfigError(
                f"{shown}: {path} is missing", remedy="docs/inference.md lists the keys"
            ) from None
        raise ConfigError(f"{shown}: {path}: {first['msg']} (got {str(first['input'])[:80]!r})") from None


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    tables: dict[str, type[BaseModel]] = {
        "text": TextSettings,
        "image": ImageSettings,
        "output": OutputSettings,
        "encoder": EncoderSettings,
        "files": FileEntry,
    }
    model = tables.get(str(location[0]), Manifest) if len(location) > 1 else Manifest
    prefix = ".".join(str(part) for part in location[:-1])
    return [f"{prefix}.{key}" if prefix else key for key in model.model_fields]
