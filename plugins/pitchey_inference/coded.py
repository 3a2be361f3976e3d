"""What a catalogue entry of the kind ``model`` leads to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CodedModel"]


@dataclass(frozen=True, slots=True)
class CodedModel:
    """A bundle that an installed package carries, with code of that package. (A bundle without code: its ``Path``.)

    Only installed packages can offer code; a bundle that a job names by path or URL is data.

    Attributes:
        folder: The bundle's folder, with its ``model.toml``.
        features: ``"package.module:function"``: takes texts (a list of ``str``) and returns arrays by input name,
            each ``[len(texts), …]``: the inputs of a head beside the embedding.
        task: ``"package.module:Class"``: a :class:`~pitchey_inference.tasks.base.Task` in place of the one that the
            manifest's task has.
    """

    folder: Path
    features: str | None = None
    task: str | None = None
