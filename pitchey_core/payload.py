"""Payload models, and the markers that say what their fields mean.

A payload is a frozen pydantic model. From its fields come the options and help of the CLI, the JSON Schema
(``pitchey-run schema NAME``), the documentation and "did you mean"::

    class WatermarkPayload(Payload):
        input_url: Annotated[InputFile, Positional()] = Field(description="Video to stamp")
        text: str = Field("draft", max_length=80, description="Text of the stamp")
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from pitchey_core.errors import UnknownName, UsageError

__all__ = [
    "Alias",
    "FromFile",
    "InputFile",
    "InputFileMarker",
    "Payload",
    "Positional",
    "choices_of",
    "input_fields",
    "map_input_files",
    "marker",
    "parse_payload",
]

M = TypeVar("M")
P = TypeVar("P", bound="Payload")


@dataclass(frozen=True, slots=True)
class Positional:
    """The CLI takes this field as an argument instead of an option."""


@dataclass(frozen=True, slots=True, init=False)
class Alias:
    """Further option names: ``Alias("--preset", "-p")``."""

    flags: tuple[str, ...]

    def __init__(self, *flags: str) -> None:
        object.__setattr__(self, "flags", flags)


@dataclass(frozen=True, slots=True)
class FromFile:
    """The CLI takes a file name (``-`` for stdin) and the field gets the text in it."""

    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class InputFileMarker:
    """Marks a field as naming an input; see :data:`InputFile`."""


InputFile = Annotated[str, InputFileMarker()]
"""A path or URL to read. At submit a path becomes an absolute ``file:`` URL; in the processor, ``job.fetch`` it."""


class Payload(BaseModel):
    """Base of every payload model: immutable, and unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def map_nested_inputs(cls, data: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:  # noqa: ARG003
        """Raw data in which the paths that no marker can reach went through ``change``.

        For models whose fields are structures with paths somewhere in them, or may hold a name in place of a path;
        whatever is not understood stays as it is, for validation to refuse.
        """
        return data


def marker(field: FieldInfo, kind: type[M]) -> M | None:
    """The marker of class ``kind`` on a field, if it has one (also inside ``X | None`` and ``list[X]``)."""
    for found in _metadata(field):
        if isinstance(found, kind):
            return found
    return None


def _metadata(field: FieldInfo) -> Iterator[object]:
    yield from field.metadata
    yield from _nested_metadata(field.annotation)


def _nested_metadata(annotation: object) -> Iterator[object]:
    for arg in get_args(annotation):
        if get_origin(annotation) is Annotated and not isinstance(arg, type):
            yield arg
        yield from _nested_metadata(arg)


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """The values of a ``Literal`` (or ``Literal | None``) field, as strings; empty for any other."""
    annotation: Any = field.annotation
    options = (annotation, *get_args(annotation))
    return tuple(str(v) for option in options if get_origin(option) is Literal for v in get_args(option))


def parse_payload(model: type[P], data: Mapping[str, Any], *, what: str = "payload") -> P:
    """Validate JSON data.

    Raises:
        UnknownName: A field or the value of a choice is unknown; the nearest is suggested.
        UsageError: Anything else is wrong with it; the message names the field.
    """
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UnknownName(f"{what} field", path, model.model_fields) from None
        name = str(first["loc"][0]) if first["loc"] else ""
        choices = choices_of(model.model_fields[name]) if name in model.model_fields else ()
        if choices and first["type"] in {"literal_error", "enum"}:
            raise UnknownName(f"value of {path}", str(first["input"]), choices) from None
        if first["type"] == "missing":
            raise UsageError(f"{what}: {path} is required") from None
        where = f"{what}: {path}" if path else what
        reason = first["msg"].removeprefix("Value error, ")
        # The whole payload is no value that somebody got wrong.
        got = f" (got {repr(first['input'])[:80]})" if path else ""
        raise UsageError(f"{where}: {reason}{got}") from None


@functools.cache
def input_fields(model: type[Payload]) -> tuple[str, ...]:
    """Names of the fields of a payload that hold input files."""
    return tuple(
        name for name, field in model.model_fields.items() if marker(field, InputFileMarker) is not None
    )


def map_input_files(
    model: type[Payload], data: Mapping[str, Any], change: Callable[[str], str]
) -> dict[str, Any]:
    """A copy of raw payload data in which every path or URL of an :data:`InputFile` field went through ``change``."""

    def changed(value: Any) -> Any:
        return change(os.fsdecode(value)) if isinstance(value, str | os.PathLike) else value

    result = dict(data)
    for name in input_fields(model):
        if (value := result.get(name)) is None:
            continue
        result[name] = [changed(item) for item in value] if isinstance(value, list) else changed(value)
    return model.map_nested_inputs(result, change)
