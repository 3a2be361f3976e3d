"""The items of a batch: read, validated, and known again when the same batch is run once more.

An item's identity is its batch file, its content (type, payload, output, size and time of its inputs), and its
number among equal ones. So an edited item is a new one, and one that has only moved is not. Nor does its folder's name
depend on its place, so that an item which joins later never takes the folder of one that is done.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pitchey_core.errors import DependencyMissing, PitcheyError, UnknownName, UsageError
from pitchey_core.host import Host, digest
from pitchey_core.payload import Positional, input_fields, marker
from pitchey_core.storage import display, join, scheme_of, to_path, to_url
from pitchey_runner.batch.files import BatchError, Entry, Problem, read_entries, read_folder
from pitchey_runner.store.interface import NewJob, Priority
from pitchey_runner.submission import JobRequest, input_fingerprints, new_job

__all__ = ["DEFAULT_OUTPUT", "BatchOptions", "batch_id_of", "read_batch"]

DEFAULT_OUTPUT: Final = "pitchey-output"
"""Where outputs go if nobody says."""

_MAX_NAME_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What the command line says about a batch.

    Attributes:
        type: Processor of items that name none, and of the files of a folder.
        payload: Fields that every item gets, whatever the file says.
        output: Folder for items that name none themselves; each gets a folder of its own in it. ``None``:
            that of the file's defaults, else ``pitchey-output``.
        overwrite: Whether existing outputs may be replaced.
        priority: Priority of items whose file names none.
        recursive: Look for files in the folders of the folder, too.
    """

    type: str = "video"
    payload: Mapping[str, Any] = field(default_factory=dict)
    output: str | None = None
    overwrite: bool = False
    priority: Priority = Priority.MEDIUM
    recursive: bool = False


def batch_id_of(path: Path) -> str:
    """The identity of a batch: that of its file or folder."""
    return hashlib.sha256(to_url(path.resolve(), Path("/")).encode()).hexdigest()[:32]


def read_batch(host: Host, path: Path, options: BatchOptions) -> list[NewJob]:
    """Read and validate a whole batch file or folder.

    Raises:
        BatchError: Items are wrong; all of them are listed.
        UsageError: The file cannot be used at all.
        DependencyMissing: A processor needs something that is not installed.
    """
    if not path.exists():
        raise UsageError(f"{display(str(path))} does not exist", remedy="a batch is a file or a folder")
    problems: list[Problem] = []
    if path.is_dir():
        entries = _folder_entries(host, path, options)
    else:
        entries, problems = read_entries(path)
    total = len(entries) + len(problems)
    base = (path if path.is_dir() else path.parent).absolute()
    drafts: list[NewJob] = []
    for entry in entries:
        try:
            drafts.append(new_job(host, _request(entry, options, base), base=base))
        except DependencyMissing:
            raise
        except PitcheyError as error:
            problems.append(Problem(entry.number, error))
    if problems:
        raise BatchError(path, total, sorted(problems, key=lambda each: each.number))
    return _identified(host, batch_id_of(path), drafts)


def _folder_entries(host: Host, folder: Path, options: BatchOptions) -> list[Entry]:
    name = _input_field(host, options.type)
    output = to_path(to_url(options.output or DEFAULT_OUTPUT, Path.cwd()))
    files = read_folder(folder, recursive=options.recursive, without=output)
    return [
        Entry(number, {"payload": {name: to_url(file.absolute(), Path("/"))}})
        for number, file in enumerate(files, 1)
    ]


def _input_field(host: Host, name: str) -> str:
    fields = host.registry.processor(name).payload_model.model_fields
    inputs = input_fields(host.registry.processor(name).payload_model)
    first = next((key for key in inputs if marker(fields[key], Positional) is not None), None)
    if first is None and not inputs:
        raise UsageError(f"processor {name!r} takes no input file", remedy="name another one with --type")
    return first or inputs[0]


def _request(entry: Entry, options: BatchOptions, base: Path) -> JobRequest:
    fields = entry.fields
    wall_limit = fields.get("wall_limit")
    if wall_limit is not None and (isinstance(wall_limit, bool) or not isinstance(wall_limit, int | float)):
        raise UsageError(f"wall_limit: not a number of seconds: {wall_limit!r}")
    name = fields.get("type", options.type)
    instance_type = fields.get("instance_type")
    if not isinstance(name, str) or not isinstance(instance_type, str | None):
        raise UsageError(f"{'instance_type' if isinstance(name, str) else 'type'}: not text")
    return JobRequest(
        type=name,
        payload={**fields.get("payload", {}), **options.payload},
        output=_output(entry, options, base),
        overwrite=options.overwrite or fields.get("overwrite") is True,
        priority=_priority(fields.get("priority", options.priority)),
        wall_limit=wall_limit,
        instance_type=instance_type,
    )


def _output(entry: Entry, options: BatchOptions, base: Path) -> str:
    from_file = entry.fields.get("output")
    if from_file is not None and not isinstance(from_file, str):
        raise UsageError(f"output: not text but {type(from_file).__name__}")
    if from_file and (entry.own_output or options.output is None):
        return to_url(from_file, base)
    return to_url(options.output or DEFAULT_OUTPUT, Path.cwd())


def _priority(value: object) -> Priority:
    try:
        return Priority(str(value))
    except ValueError:
        raise UnknownName("priority", str(value), [str(each) for each in Priority]) from None


@dataclass(frozen=True, slots=True)
class _Item:
    """A job of a batch before it has a folder of its own.

    Attributes:
        names: What its folder may be called, the shortest first; nothing in them depends on the item's place.
        key: By which it is known again.
    """

    job: NewJob
    names: tuple[str, ...]
    key: str


def _identified(host: Host, batch_id: str, drafts: list[NewJob]) -> list[NewJob]:
    """Give each job a folder of its own in its output, and the key by which it is known again."""
    items: list[_Item] = []
    equal: Counter[str] = Counter()
    for draft in drafts:
        fingerprints = input_fingerprints(host, draft.type, draft.payload)
        content = digest(draft.type, draft.payload, draft.output, fingerprints)
        equal[content] += 1
        ordinal = equal[content]
        names = _names(fingerprints[0][0] if fingerprints else None, draft.type)
        names = (*names, f"{names[-1]}-{digest(draft.type, draft.payload)[:8]}")
        if ordinal > 1:
            names = tuple(f"{name}-{ordinal}" for name in names)
        items.append(_Item(draft, names, digest(batch_id, content, ordinal)))
    # Of each name and output, the items that would like to have it.
    rivals: defaultdict[tuple[str | None, str], set[str]] = defaultdict(set)
    for item in items:
        for name in item.names:
            rivals[item.job.output, name.casefold()].add(item.key)
    return [_placed(batch_id, item, rivals) for item in items]


def _placed(batch_id: str, item: _Item, rivals: Mapping[tuple[str | None, str], set[str]]) -> NewJob:
    output = str(item.job.output)
    free = (name for name in item.names if len(rivals[item.job.output, name.casefold()]) == 1)
    name = next(free, item.names[-1])
    target = to_url(path / name, Path("/")) if (path := to_path(output)) else join(output, name)
    return replace(item.job, output=target, batch_id=batch_id, item_key=item.key)


def _names(url: str | None, fallback: str) -> tuple[str, ...]:
    """Folder names after an input: its file name without the extension, and with it; short enough for additions."""
    if url is None:
        return (fallback,)
    path = to_path(url) if scheme_of(url) == "file" else None
    name = path.name if path is not None else PurePosixPath(unquote(urlsplit(url).path)).name
    stem = PurePosixPath(name).stem if name else ""
    if stem in ("", ".", "..") or "\0" in stem:
        return ("item",)
    return _cut(stem), _cut(name)


def _cut(name: str) -> str:
    while len(os.fsencode(name)) > _MAX_NAME_BYTES:
        name = name[:-1]
    return name
