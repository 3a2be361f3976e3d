"""From what a job gives to items that a task takes: files are fetched and read here."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pitchey_core.errors import InputError, LimitExceeded, UsageError
from pitchey_core.naming import shown_name
from pitchey_core.storage import display
from pitchey_inference.given import check_items, items_of
from pitchey_inference.tasks.base import ImageItem, Item, TensorItem, TextItem

if TYPE_CHECKING:
    from pitchey_core.context import JobContext
    from pitchey_inference.payload import InferencePayload

__all__ = ["document_text", "read_items"]

MAX_TEXT_BYTES: Final = 64 * 1024**2
_MAX_TENSOR_BYTES: Final = 1024**3


def read_items(
    payload: InferencePayload, job: JobContext, accepts: tuple[type[Item], ...], max_items: int
) -> tuple[list[Item], bool]:
    """The items of a job, and whether they were given as a list.

    Raises:
        InputError: A file is missing, unreadable, or not of the kind that the model takes.
        LimitExceeded: There are too many, or a file is too large.
        UsageError: The model takes items of another kind.
    """
    if payload.text is not None:
        given: Any = {"text": payload.text}
    elif payload.input_url is not None:
        given = {"file": payload.input_url}
    else:
        given = payload.input_data
    reader = _Reader(job, accepts)
    listed = isinstance(given, list)
    items: list[Item] = []
    for number, each in enumerate(items_of(given)):
        place = f"item {number}" if listed else ""
        found, inner = reader.read(each, place)
        items += found
        listed = listed or inner
        if len(items) > max_items:
            raise LimitExceeded(
                f"the job has more than {max_items} items",
                limit="items",
                remedy="split it, or raise plugins.inference.max_items in pitchey.toml",
            )
    return items, listed


class _Reader:
    def __init__(self, job: JobContext, accepts: tuple[type[Item], ...]) -> None:
        self._job = job
        self._accepts = accepts

    def read(self, item: Mapping[str, Any], place: str) -> tuple[list[Item], bool]:
        """The items of one entry; a JSON file may hold a list of them."""
        key, value = next(iter(item.items()))
        if key == "file":
            return self._file(value, place)
        return [self._plain(key, value, place)], False

    def _plain(self, key: str, value: Any, place: str) -> Item:
        kinds: dict[str, type[Item]] = {"text": TextItem, "image": ImageItem, "tensors": TensorItem}
        if kinds[key] not in self._accepts:
            wanted = [name for name, cls in kinds.items() if cls in self._accepts]
            raise UsageError(
                f"{place or 'input_data'} is {_ARTICLES[key]}; this model takes {' or '.join(wanted)}",
                remedy=f'give {{"{wanted[0]}": …}}' if wanted else None,
            )
        if key == "text":
            return TextItem(value, place or "the text")
        if key == "image":
            path = self._job.fetch(value)
            return ImageItem(path, repr(shown_name(value)), self._job.limits.pixels)
        return TensorItem(
            {name: self._tensor(name, each) for name, each in value.items()}, place or "the tensors"
        )

    def _tensor(self, name: str, value: Any) -> Any:
        if isinstance(value, dict) and "file" in value:
            if len(value) != 1:
                raise UsageError(
                    f"tensor {name!r} has a file and something else", remedy='write {"file": "x.npy"}'
                )
            return _load_numpy(self._job.fetch(value["file"]), value["file"])
        return value

    def _file(self, url: str, place: str) -> tuple[list[Item], bool]:
        path = self._job.fetch(url)
        shown = repr(shown_name(url))
        if ImageItem in self._accepts:
            return [ImageItem(path, shown, self._job.limits.pixels)], False
        if TextItem not in self._accepts and path.suffix in (".npy", ".npz"):
            found = _load_numpy(path, url)
            return [TensorItem(found if isinstance(found, dict) else {path.stem: found}, shown)], False
        text = _text_of(path, shown)
        record = _json_of(text)
        if record is None:
            return [self._plain("text", text, shown)], False
        document = document_text(record)
        if document is not None:
            if not document.strip():
                raise InputError(
                    f"{shown} is a document without text",
                    remedy="recognise it: pitchey-run document --ocr auto",
                )
            return [self._plain("text", document, shown)], False
        if TextItem not in self._accepts and isinstance(record, dict) and "tensors" not in record:
            record = {"tensors": record}
        if not isinstance(record, dict | list) or (
            isinstance(record, dict) and not set(record) & {"text", "tensors"}
        ):
            return [self._plain("text", text, shown)], False
        check_items(record, shown)
        items: list[Item] = []
        for each in items_of(record):
            key, value = next(iter(each.items()))
            if key in ("file", "image"):
                # Where a path in a file somewhere else leads is not for the job to say.
                raise InputError(f"{shown} names further files", remedy="name them in input_data")
            items.append(self._plain(key, value, f"{place or shown}"))
        return items, isinstance(record, list)


_ARTICLES: Final = {"text": "a text", "image": "a picture", "tensors": "tensors"}


def _text_of(path: Path, shown: str) -> str:
    size = path.stat().st_size
    if size > MAX_TEXT_BYTES:
        raise LimitExceeded(f"{shown} has {size} bytes; texts may have {MAX_TEXT_BYTES}", limit="text")
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = "\0" if b"\0" in data else data.decode("cp1252", "replace")
    if "\0" in text:
        raise InputError(
            f"{shown} is not text",
            remedy="get the text first: pitchey-run document FILE --outputs json -o out/",
        )
    return text


def _json_of(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def document_text(record: Any) -> str | None:
    """The text in the JSON output of the ``document`` processor; ``None`` if it is no such output.

    Headers, footers and notes beside the body are left out; a table's cells are joined by tabs.
    """
    if not isinstance(record, dict) or not isinstance(record.get("sections"), list):
        return None
    paragraphs: list[str] = []
    for section in record["sections"]:
        if not isinstance(section, dict) or not isinstance(section.get("blocks"), list):
            return None
        title = section.get("title")
        if isinstance(title, str) and title:
            paragraphs.append(title)
        for block in section["blocks"]:
            if not isinstance(block, dict) or block.get("role") or block.get("kind") == "picture":
                continue
            rows = block.get("rows") or []
            lines = ["\t".join(str(cell) for cell in row) for row in rows if isinstance(row, list)]
            paragraphs.append("\n".join([str(block.get("text") or ""), *lines]).strip())
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _check_unpacked(path: Path, shown: str) -> None:
    """Zeros take a thousandth of their room in an archive."""
    with zipfile.ZipFile(path) as archive:
        size = sum(each.file_size for each in archive.infolist())
    if size > _MAX_TENSOR_BYTES:
        raise LimitExceeded(
            f"{shown} unpacks to {size} bytes; at most {_MAX_TENSOR_BYTES} are read", limit="input"
        )


def _load_numpy(path: Path, url: str) -> Any:
    import numpy as np

    shown = display(url)
    if path.stat().st_size > _MAX_TENSOR_BYTES:
        raise LimitExceeded(f"{shown} is larger than {_MAX_TENSOR_BYTES} bytes", limit="input")
    try:
        if zipfile.is_zipfile(path):
            _check_unpacked(path, shown)
        # Opened here: numpy forgets to close an archive that is damaged.
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found
            with found:
                return {name: found[name] for name in found.files}
    except LimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 - what is no such file raises anything
        raise InputError(f"{shown} is not a numpy file: {error}", remedy="write it with numpy.save") from None
