"""How a result looks in a notebook: pictures first, then the beginning of texts, then a list of all files."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pitchey_core.processor import Result
    from pitchey_core.storage.artifacts import Artifact

__all__ = ["result_html"]

_MOST_PICTURES: Final = 24
_MOST_PICTURE_BYTES: Final = 4 * 1024**2
"""Of all pictures together: they are stored in the notebook."""
_MOST_TEXTS: Final = 3
_MOST_CHARACTERS: Final = 4000
_SHOWN_TEXTS: Final = {"text/plain", "text/markdown"}
_BOX: Final = "display:inline-block;margin:4px;vertical-align:top;text-align:center;font-size:small"
_PICTURE: Final = "max-width:180px;max-height:240px;border:1px solid #8888;display:block;margin:auto"
_TEXT: Final = (
    "white-space:pre-wrap;max-height:20em;overflow:auto;border-left:3px solid #8888;padding-left:8px"
)


def result_html(result: Result[Any]) -> str:
    """The result as a fragment of HTML, without scripts; files that are not local or too large are only named."""
    # A dollar sign before and one in the text below would make a formula of what is between.
    head = f"{result.status}, USD {result.cost_usd}"
    parts = [f"<p><b>{escape(head)}</b></p>"]
    if result.error is not None:
        parts.append(f"<p style='color:#b00'>{escape(str(result.error))}</p>")
    parts += _pictures(result.artifacts)
    parts += _texts(result.artifacts)
    if result.artifacts:
        rows = "".join(
            f"<li>{escape(each.name)} ({escape(each.media_type)}, {each.bytes} bytes)</li>"
            for each in result.artifacts
        )
        parts.append(f"<details><summary>{len(result.artifacts)} files</summary><ul>{rows}</ul></details>")
    return f"<div>{''.join(parts)}</div>"


def _pictures(artifacts: tuple[Artifact, ...]) -> Iterator[str]:
    left, shown = _MOST_PICTURE_BYTES, 0
    for each in artifacts:
        if not each.media_type.startswith("image/") or each.bytes > left or shown >= _MOST_PICTURES:
            continue
        data = _read(each, each.bytes)
        if data is None:
            continue
        left -= len(data)
        shown += 1
        source = f"data:{escape(each.media_type)};base64,{base64.b64encode(data).decode()}"
        yield (
            f"<figure style='{_BOX}'><img style='{_PICTURE}' src='{source}' alt=''>"
            f"<figcaption>{escape(each.name)}</figcaption></figure>"
        )


def _texts(artifacts: tuple[Artifact, ...]) -> Iterator[str]:
    texts = [each for each in artifacts if each.media_type in _SHOWN_TEXTS]
    for each in texts[:_MOST_TEXTS]:
        # A character has at most four bytes.
        data = _read(each, 4 * _MOST_CHARACTERS)
        if data is None:
            continue
        text = data.decode("utf-8", "replace")
        cut = "" if len(text) <= _MOST_CHARACTERS and each.bytes <= len(data) else " …"
        yield (
            f"<p style='margin:8px 0 2px'><i>{escape(each.name)}</i></p>"
            f"<div style='{_TEXT}'>{escape(text[:_MOST_CHARACTERS])}{cut}</div>"
        )


def _read(artifact: Artifact, most: int) -> bytes | None:
    """The beginning of a local file; ``None`` if it is elsewhere or gone."""
    from pitchey_core.storage import to_path

    path: Path | None = to_path(artifact.uri)
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return None
