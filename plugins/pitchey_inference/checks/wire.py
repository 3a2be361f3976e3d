"""The wire format of protocol buffers: fields one by one, nothing copied, nothing trusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["Damaged", "fields", "varints"]

_VARINT: Final = 0
_FIXED64: Final = 1
_LENGTH: Final = 2
_FIXED32: Final = 5


class Damaged(ValueError):
    """The bytes are no protocol buffer."""


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Damaged("cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: an ``int`` for a varint, else the bytes.

    Raises:
        Damaged: A length leads behind the end, or a type is unknown.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == _LENGTH:
            length, at = _varint(data, at)
        elif kind == _FIXED64:
            length = 8
        elif kind == _FIXED32:
            length = 4
        else:
            raise Damaged(f"unknown wire type {kind}")
        if length > end - at:
            raise Damaged("a field is longer than its message")
        yield key >> 3, data[at : at + length]
        at += length


def varints(value: int | memoryview) -> Iterator[int]:
    """The values of a repeated integer field, packed or not, as signed 64-bit integers."""
    if isinstance(value, int):
        yield _signed(value)
        return
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        yield _signed(number)


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >= 1 << 63 else value
