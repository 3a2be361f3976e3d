"""Options of the command line from the fields of a payload model."""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import click
from click.core import ParameterSource
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pitchey_core.errors import InputError, UnknownName, UsageError
from pitchey_core.payload import Alias, FromFile, Payload, Positional, marker
from pitchey_core.storage import display
from pitchey_runner.cli.value_type import ValueType

__all__ = ["given_payload", "payload_parameters"]

_PREFIX: Final = "payload_"
_MANY: Final = (list, set, frozenset, Sequence, Collection, Iterable)


class OneOf(ValueType):
    """One of a few values; for a wrong one the nearest is suggested."""

    name = "choice"

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = {str(value.value if isinstance(value, enum.Enum) else value): value for value in values}

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        return "[" + "|".join(self.values) + "]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        if value not in self.values:
            what = param.opts[0] if param is not None else "option"
            raise UnknownName(f"value of {what}:", str(value), self.values)
        return self.values[value]


class Json(ValueType):
    """A JSON value; plain text too where the field takes text."""

    name = "json"

    def __init__(self, *, or_text: bool) -> None:
        self.or_text = or_text

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        import json

        try:
            return json.loads(value)
        except ValueError as error:
            if self.or_text:
                return value
            self.fail(f"{value!r} is not JSON: {error}", param, ctx)


class TextOf(ValueType):
    """The text of a file; ``-`` is stdin."""

    name = "file"

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        try:
            data = sys.stdin.buffer.read() if value == "-" else Path(value).read_bytes()
            return data.decode(self.encoding)
        except OSError as error:
            raise InputError(f"{display(value)} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{display(value)} is not {self.encoding} text (byte {error.start})") from error


def payload_parameters(model: type[Payload], reserved: Collection[str]) -> list[click.Parameter]:
    """An argument or option for each field.

    Args:
        reserved: Flags that mean something else; a field of such a name becomes ``--payload-NAME``.
    """
    return [_parameter(name, field, reserved) for name, field in model.model_fields.items()]


def given_payload(ctx: click.Context) -> dict[str, Any]:
    """The payload fields that stand on the command line; the others are left to the model's defaults."""
    given: dict[str, Any] = {}
    for name, value in ctx.params.items():
        if name.startswith(_PREFIX) and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            given[name.removeprefix(_PREFIX)] = list(value) if isinstance(value, tuple) else value
    return given


def _parameter(name: str, field: FieldInfo, reserved: Collection[str]) -> click.Parameter:
    annotation, many = _element(_plain(field.annotation))
    from_file = marker(field, FromFile)
    kind = TextOf(from_file.encoding) if from_file is not None else _kind(annotation, field)
    variable = _PREFIX + name
    if marker(field, Positional) is not None:
        return click.Argument(
            [variable],
            type=kind,
            metavar=name.upper() if field.is_required() else f"[{name.upper()}]",
            nargs=-1 if many else 1,
            required=field.is_required(),
        )
    flag = "--" + name.replace("_", "-")
    if flag in reserved:
        flag = f"--payload-{name.replace('_', '-')}"
    flags = [flag, *(each for each in _aliases(field) if each not in reserved)]
    help_text = _help(field)
    if annotation is bool and not many:
        return click.Option(
            [f"{flag}/--no-{flag.removeprefix('--')}", *flags[1:], variable], default=None, help=help_text
        )
    return click.Option(
        [*flags, variable], type=kind, multiple=many, required=field.is_required(), help=help_text
    )


def _aliases(field: FieldInfo) -> tuple[str, ...]:
    alias = marker(field, Alias)
    return alias.flags if alias is not None else ()


def _help(field: FieldInfo) -> str:
    words = [field.description or ""]
    default = field.get_default(call_default_factory=False)
    if default not in (None, [], {}, ()) and not field.is_required() and not isinstance(default, BaseModel):
        shown = {True: "on", False: "off"}.get(default, default) if isinstance(default, bool) else default
        if isinstance(shown, list | tuple):
            shown = ", ".join(map(str, shown))
        words.append(f"[default: {shown}]")
    return "  ".join(word for word in words if word)


def _plain(annotation: Any) -> Any:
    """A type without ``Annotated`` and ``None``."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        elif get_origin(annotation) in (Union, types.UnionType):
            options = [each for each in get_args(annotation) if each is not type(None)]
            if len(options) != 1:
                return annotation
            annotation = options[0]
        else:
            return annotation


def _element(annotation: Any) -> tuple[Any, bool]:
    """The type of one value, and whether the option may be repeated."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in _MANY or (origin is tuple and args[1:] == (...,)):
        return _plain(args[0] if args else str), True
    return annotation, False


def _kind(annotation: Any, field: FieldInfo) -> ValueType:
    if get_origin(annotation) is Literal:
        return OneOf(get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return Json(or_text=str in map(_plain, get_args(annotation)))
    if not isinstance(annotation, type) or get_origin(annotation) is not None:
        return Json(or_text=annotation is Any)
    if issubclass(annotation, enum.Enum):
        return OneOf(list(annotation))
    if annotation is bool:
        return click.BOOL
    # Not for their subclasses: ByteSize, for one, reads "10MB".
    if annotation is int:
        bounds = _bounds(field)
        return click.IntRange(**bounds) if bounds else click.INT
    if annotation is float:
        bounds = _bounds(field)
        return click.FloatRange(**bounds) if bounds else click.FLOAT
    if issubclass(annotation, dict | list | BaseModel):
        return Json(or_text=False)
    return click.STRING


def _bounds(field: FieldInfo) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for constraint in field.metadata:
        for name, (bound, is_open) in _CONSTRAINTS.items():
            limit = getattr(constraint, name, None)
            if isinstance(limit, int | float):
                found[bound] = limit
                if is_open:
                    found[f"{bound}_open"] = True
    return found


_CONSTRAINTS: Final = {"ge": ("min", False), "gt": ("min", True), "le": ("max", False), "lt": ("max", True)}
