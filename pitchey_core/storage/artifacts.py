"""Files that a job has produced."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pitchey_core.errors import InputError

__all__ = ["MANIFEST_NAME", "STAGING_NAME", "Artifact", "check_name"]

MANIFEST_NAME = "manifest.json"
STAGING_NAME = ".pitchey-staging"

_PART_BYTES = 255
_NAME_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Artifact:
    """A published file.

    Attributes:
        name: Relative to the job's output, with ``/``.
        uri: Where it is: an absolute URL.
        media_type: For example ``video/mp4``.
        bytes: Size.
        sha256: Hex digest.
    """

    name: str
    uri: str
    media_type: str
    bytes: int
    sha256: str

    def as_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Artifact:
        return cls(**record)


def check_name(name: str) -> str:
    """Return ``name`` if an artifact may have it on every file system and object store.

    Raises:
        InputError: It is empty, absolute, too long, reserved or no text; it holds a NUL, ``.``, ``..`` or an
            empty part.
    """
    problem = _problem(name)
    if problem is not None:
        raise InputError(f"{name!r} cannot name an artifact: {problem}")
    return name


def _problem(name: str) -> str | None:
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    parts = encoded.split(b"/")
    if b"\0" in encoded:
        return "it holds a NUL"
    if encoded.startswith(b"/"):
        return "it is absolute"
    if any(part in (b"", b".", b"..") for part in parts):
        return "no part may be empty, '.' or '..'"
    if max(map(len, parts)) > _PART_BYTES or len(encoded) > _NAME_BYTES:
        return f"a part may have {_PART_BYTES} bytes, all together {_NAME_BYTES}"
    if name.casefold() == MANIFEST_NAME or name.split("/")[0].casefold() == STAGING_NAME:
        return "Pitchey needs it itself"
    return None
