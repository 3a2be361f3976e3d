"""Reads batch files: YAML, JSON or JSON Lines, or a folder of inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pitchey_core.errors import PitcheyError, UnknownName, UsageError
from pitchey_core.storage import display

__all__ = ["BatchError", "Entry", "Problem", "read_entries", "read_folder"]

_KEYS: Final = ("type", "payload", "priority", "output", "overwrite", "wall_limit", "instance_type")
_LINES: Final = {".jsonl", ".ndjson"}
_DOCUMENTS: Final = {".yaml", ".yml", ".json"}
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """One item as it stands in the file, with the defaults merged in.

    Attributes:
        number: Place in the file, from 1; in JSON Lines the line.
        own_output: Whether the item itself names an output. That of the defaults gives way to the
            command line's.
    """

    number: int
    fields: Mapping[str, Any]
    own_output: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one item."""

    number: int
    error: PitcheyError


class BatchError(UsageError):
    """Items of a batch are wrong; none was enqueued. ``problems`` says which."""

    def __init__(self, path: Path, total: int, problems: Sequence[Problem]) -> None:
        title = (
            f"{display(str(path))}: {len(problems)} of {total} items cannot be used, nothing was enqueued:"
        )
        super().__init__(
            "\n".join([title, *_listed(problems)]),
            remedy="correct them and run the same command again",
        )
        self.problems = list(problems)

    def as_record(self) -> dict[str, Any]:
        items = [{"item": each.number, **each.error.as_record()} for each in self.problems]
        return {**super().as_record(), "items": items}


def _listed(problems: Sequence[Problem]) -> Iterator[str]:
    """A line for each problem; items with the same one share it."""
    numbers: dict[str, list[int]] = {}
    for each in problems:
        hint = f" ({each.error.remedy})" if each.error.remedy else ""
        numbers.setdefault(each.error.message + hint, []).append(each.number)
    for text, items in numbers.items():
        shown = ", ".join(map(str, items[:_SHOWN])) + (
            f" and {len(items) - _SHOWN} more" if items[_SHOWN:] else ""
        )
        yield f"  {'item' if len(items) == 1 else 'items'} {shown}: {text}"


def read_entries(path: Path) -> tuple[list[Entry], list[Problem]]:
    """The items of a batch file, and those that are none.

    Raises:
        UsageError: The file cannot be read or is no batch file.
    """
    suffix = path.suffix.lower()
    if suffix not in _LINES | _DOCUMENTS:
        raise UsageError(
            f"{display(str(path))} is not a batch file",
            remedy="a batch is a .yaml, .json or .jsonl file, or a folder of inputs",
        )
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{display(str(path))} is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise UsageError(f"{display(str(path))} cannot be read: {error.strerror}") from error
    defaults: Mapping[str, Any] = {}
    if suffix in _LINES:
        items = list(_lines(path, text))
    else:
        defaults, listed = _document(path, text)
        items = list(enumerate(listed, 1))
    if not items:
        raise UsageError(f"{display(str(path))} has no items")
    return _merged(defaults, items)


def read_folder(folder: Path, *, recursive: bool, without: Path | None = None) -> list[Path]:
    """The regular files of a folder, in order of their names; hidden ones are left out.

    Args:
        without: A folder that is left out (the outputs').

    Raises:
        UsageError: The folder cannot be read, or has no files.
    """
    try:
        found = sorted(_walk(folder, recursive, without))
    except OSError as error:
        raise UsageError(f"{display(str(folder))} cannot be read: {error.strerror}") from error
    if not found:
        remedy = None if recursive else "--recursive looks into its folders, too"
        raise UsageError(f"{display(str(folder))} has no files", remedy=remedy)
    return found


def _walk(folder: Path, recursive: bool, without: Path | None) -> Iterator[Path]:
    for each in folder.iterdir():
        if each.name.startswith("."):
            continue
        if each.is_file():
            yield each
        elif recursive and each.is_dir() and not each.is_symlink() and each.absolute() != without:
            yield from _walk(each, recursive, without)


def _lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except ValueError as error:
            raise UsageError(f"{display(str(path))}, line {number}: not JSON: {error}") from error


def _document(path: Path, text: str) -> tuple[Mapping[str, Any], list[Any]]:
    try:
        document = _json(path, text) if path.suffix.lower() == ".json" else _yaml(path, text)
    except RecursionError as error:
        raise UsageError(f"{display(str(path))} is nested too deeply") from error
    if isinstance(document, list):
        return {}, document
    if not isinstance(document, dict) or not isinstance(document.get("jobs"), list):
        raise UsageError(
            f"{display(str(path))} is neither a list of jobs nor a mapping with the key 'jobs'",
            remedy="write: jobs: [{type: video, payload: {input_url: clip.mov}}]",
        )
    for key in document:
        if key not in ("defaults", "jobs"):
            raise UnknownName(f"key of {display(str(path))}", str(key), ("defaults", "jobs"))
    defaults = document.get("defaults") or {}
    problem = _shape_problem(defaults)
    if problem is not None:
        raise UsageError(f"{display(str(path))}: defaults: {problem.message}", remedy=problem.remedy)
    return defaults, document["jobs"]


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{display(str(path))} is not JSON: {error}") from error


def _yaml(path: Path, text: str) -> Any:
    import yaml

    try:
        # The one in C is ten times as fast; not every build of PyYAML has it.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        document = yaml.load(text, loader)  # noqa: S506 - both are safe
        # Fails where an anchor holds itself, which is valid YAML, and endless.
        json.dumps(document, default=str)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        # A plain ValueError comes from what looks like a date and is none.
        raise UsageError(
            f"{display(str(path))} is not YAML: {error}", remedy="put quotes around text"
        ) from error
    return document


def _merged(defaults: Mapping[str, Any], items: list[tuple[int, Any]]) -> tuple[list[Entry], list[Problem]]:
    entries: list[Entry] = []
    problems: list[Problem] = []
    for number, item in items:
        problem = _shape_problem(item)
        if problem is not None:
            problems.append(Problem(number, problem))
        else:
            entries.append(Entry(number, _deep(defaults, item), own_output="output" in item))
    return entries, problems


def _shape_problem(item: object) -> PitcheyError | None:
    if not isinstance(item, dict):
        return UsageError(
            f"not a mapping but {type(item).__name__}", remedy=f"its keys are {', '.join(_KEYS)}"
        )
    for key in item:
        if key not in _KEYS:
            return UnknownName("key", str(key), _KEYS)
    if not isinstance(item.get("payload", {}), dict):
        return UsageError(f"payload: not a mapping but {type(item['payload']).__name__}")
    return None


def _deep(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _deep(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
