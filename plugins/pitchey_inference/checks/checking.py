"""Refuses a model before it is loaded: by its size, by what it would ask of memory, by what it would read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pitchey_core.errors import ConfigError, InputError, LimitExceeded, UnknownName
from pitchey_inference.checks.survey import Survey, survey
from pitchey_inference.checks.wire import Damaged

__all__ = ["ModelLimits", "check_model"]

_GIB: Final = 1024**3
_BUILT_IN_DOMAINS: Final = {
    "", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft",
    "com.microsoft.nchwc", "com.microsoft.experimental", "com.ms.internal.nhwc", "org.pytorch.aten",
}  # fmt: skip
"""Domains whose operators ONNX Runtime brings itself."""
_READING: Final = {"com.microsoft::EPContext"}
"""Operators whose attributes name files that some execution providers open."""


class ModelLimits(BaseModel):
    """What a model may ask for; the settings ``plugins.inference.NAME``. Sizes in bytes.

    Attributes:
        max_bytes: Of one file of a bundle.
        max_nodes: Operators, with those of graphs within graphs.
        max_tensor_bytes: Of the largest tensor, stored or made out of a stored shape.
        max_total_bytes: Of all stored tensors together.
        max_loops: Loop and Scan operators. They may run for ever; the wall limit of the job ends that.
        max_depth: Graphs within graphs.
        max_items: Items of one job.
        session_bytes: Memory of all models that a process keeps, estimated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_bytes: int = Field(2 * _GIB - 1, ge=1)
    max_nodes: int = Field(200_000, ge=1)
    max_tensor_bytes: int = Field(2 * _GIB, ge=1)
    max_total_bytes: int = Field(6 * _GIB, ge=1)
    max_loops: int = Field(256, ge=0)
    max_depth: int = Field(16, ge=1, le=64)
    max_items: int = Field(100_000, ge=1)
    session_bytes: int = Field(2 * _GIB, ge=0)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> ModelLimits:
        """From the plugin's settings; the table ``models`` there is not among them.

        Raises:
            ConfigError: A value is wrong, or a name unknown.
        """
        given = {name: value for name, value in options.items() if name != "models"}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = str(first["loc"][0])
            if first["type"] == "extra_forbidden":
                suggestion = UnknownName("setting", name, [*cls.model_fields, "models"])
                raise ConfigError(f"plugins.inference.{name} is unknown", remedy=suggestion.remedy) from None
            raise ConfigError(f"plugins.inference.{name}: {first['msg']}") from None


def check_model(data: bytes, shown: str, limits: ModelLimits) -> Survey:
    """Look through an ONNX file and refuse what is unsafe.

    Args:
        shown: What to call it in messages.

    Raises:
        InputError: It is not ONNX, needs operators of a library, or keeps tensors where it may not.
        LimitExceeded: It is larger than it may be.
    """
    if len(data) > limits.max_bytes:
        raise _too_much(shown, "bytes", len(data), "max_bytes", limits.max_bytes)
    if data[4:8] == b"ORTM":
        raise InputError(
            f"{shown} is in the ORT format, which cannot be checked before it is loaded",
            remedy="give the .onnx file that it was made from",
        )
    try:
        found = survey(data)
    except Damaged as error:
        raise InputError(f"{shown} is not an ONNX model: {error}") from None
    for figure, name, most in (
        (found.nodes, "max_nodes", limits.max_nodes),
        (found.loops, "max_loops", limits.max_loops),
        (found.depth, "max_depth", limits.max_depth),
        (found.largest_tensor, "max_tensor_bytes", limits.max_tensor_bytes),
        (found.requested_bytes, "max_tensor_bytes", limits.max_tensor_bytes),
        (found.tensor_bytes, "max_total_bytes", limits.max_total_bytes),
    ):
        if figure > most:
            raise _too_much(shown, _WORDS[name], figure, name, most)
    _check_domains(found, shown)
    reading = sorted(_READING & set(found.operators))
    if reading:
        raise InputError(
            f"{shown} has operators that read further files: {', '.join(reading)}",
            remedy="give the model that it was compiled from",
        )
    for tensor in found.external:
        _check_location(tensor.location, tensor.tensor, shown)
    return found


_WORDS: Final = {
    "max_nodes": "operators",
    "max_loops": "Loop and Scan operators",
    "max_depth": "graphs within one another",
    "max_tensor_bytes": "bytes in one tensor",
    "max_total_bytes": "bytes in its tensors",
}


def _too_much(shown: str, words: str, figure: int, name: str, most: int) -> LimitExceeded:
    return LimitExceeded(
        f"{shown} has {figure} {words}; at most {most} are allowed",
        limit="model",
        remedy=f"raise plugins.inference.{name} in pitchey.toml, if you trust it",
    )


def _check_domains(found: Survey, shown: str) -> None:
    foreign = sorted(found.domains - _BUILT_IN_DOMAINS - found.own_domains)
    if foreign:
        used = sorted(name for name in found.operators if name.rpartition("::")[0] in foreign)
        raise InputError(
            f"{shown} needs operators of a library of its own: {', '.join(used or foreign)}; such libraries are not "
            "loaded",
            remedy="export the model with standard operators",
        )


def _check_location(location: str, tensor: str, shown: str) -> None:
    parts = PurePosixPath(location).parts
    if (
        not location
        or location.startswith(("/", "~"))
        or ".." in parts
        or "\\" in location
        or len(parts) != 1
    ):
        raise InputError(
            f"{shown}: the tensor {tensor!r} is kept in {location!r}, which is not a file beside the model",
            remedy="export the model with its tensors inside, or in a file in the same folder",
        )
