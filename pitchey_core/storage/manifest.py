"""What a stage hands over to whoever publishes it: JSON data that survives a crash of both."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pitchey_core.storage.artifacts import Artifact
from pitchey_core.storage.urls import join

__all__ = ["Manifest", "StagedFile"]

_VERSION = 1


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A sealed output that is not published yet.

    Attributes:
        name, media_type, bytes, sha256: As in :class:`~pitchey_core.storage.Artifact`.
        staged: Its ``file:`` URL in the staging folder.
        inode: Device and inode numbers, which a rename or link keeps.
    """

    name: str
    media_type: str
    bytes: int
    sha256: str
    staged: str
    inode: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that publishing needs.

    Attributes:
        job_id: The job whose outputs these are.
        output_url: The folder that they belong in.
        staging: ``file:`` URL of the staging folder.
        overwrite: Whether existing outputs may be replaced.
        files: In the order in which they were staged.
        version: Of this format.
    """

    job_id: str
    output_url: str
    staging: str
    overwrite: bool
    files: tuple[StagedFile, ...]
    version: int = _VERSION

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The outputs as they will be once published."""
        return tuple(
            Artifact(each.name, join(self.output_url, each.name), each.media_type, each.bytes, each.sha256)
            for each in self.files
        )

    def as_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Manifest:
        """The inverse of :meth:`as_record`, also after a way through JSON.

        Raises:
            ValueError: The record is of a later version of this format.
        """
        if record["version"] != _VERSION:
            raise ValueError(f"a manifest of version {record['version']!r}; this release knows {_VERSION}")
        files = tuple(StagedFile(**{**each, "inode": tuple(each["inode"])}) for each in record["files"])
        return cls(**{**record, "files": files})
