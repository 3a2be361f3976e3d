"""``input_data``: one item or a list of them, each a text, a file, a picture or named tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pitchey_core.errors import UnknownName, UsageError

__all__ = ["KEYS", "check_items", "items_of", "map_files"]

KEYS: Final = ("text", "file", "image", "tensors")
"""What an item may be; it is exactly one of them."""


def items_of(data: Any) -> list[dict[str, Any]]:
    """The items, each with one key.

    A string alone names a file; in a list it is a text.
    """
    if isinstance(data, str):
        return [{"file": data}]
    if isinstance(data, list):
        return [{"text": each} if isinstance(each, str) else each for each in data]
    return [data]


def check_items(data: Any, where: str = "input_data") -> None:
    """Refuse what is no item.

    Raises:
        UnknownName: A key is unknown; the nearest is suggested.
        UsageError: An item is of the wrong type, or the list is empty.
    """
    items = items_of(data)
    if not items:
        raise UsageError(f"{where} is an empty list", remedy='give items: [{"text": "…"}]')
    for number, item in enumerate(items):
        place = f"{where}[{number}]" if isinstance(data, list) else where
        if not isinstance(item, dict):
            raise UsageError(
                f"{place} is {type(item).__name__}", remedy='an item is an object: {"text": "…"}'
            )
        for key in item:
            if key not in KEYS:
                raise UnknownName(f"field of {place}:", str(key), KEYS)
        if len(item) != 1:
            raise UsageError(
                f"{place} has {len(item)} fields" if item else f"{place} is empty",
                remedy=f"an item has one of: {', '.join(KEYS)}",
            )
        _check_value(place, *next(iter(item.items())))


def _check_value(place: str, key: str, value: Any) -> None:
    if key == "tensors":
        if not isinstance(value, dict) or not value:
            raise UsageError(
                f"{place}.tensors is no object with tensors", remedy='write {"tensors": {"x": [[1, 2]]}}'
            )
    elif not isinstance(value, str):
        raise UsageError(f"{place}.{key} is {type(value).__name__}, not text")
    elif key != "text" and not value:
        raise UsageError(f"{place}.{key} is empty")


def map_files(data: Any, change: Callable[[str], str]) -> Any:
    """``data`` with every path or URL in it changed; what is no item stays as it is."""
    if isinstance(data, str):
        return change(data) if data else data
    if isinstance(data, list):
        return [_changed(each, change) if isinstance(each, dict) else each for each in data]
    return _changed(data, change)


def _changed(item: Any, change: Callable[[str], str]) -> Any:
    if not isinstance(item, dict):
        return item
    changed = dict(item)
    for key in ("file", "image"):
        if isinstance(changed.get(key), str) and changed[key]:
            changed[key] = change(changed[key])
    tensors = changed.get("tensors")
    if isinstance(tensors, dict):
        changed["tensors"] = {
            name: {**value, "file": change(value["file"])}
            if isinstance(value, dict) and isinstance(value.get("file"), str) and value["file"]
            else value
            for name, value in tensors.items()
        }
    return changed
