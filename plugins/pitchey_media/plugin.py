"""Hook implementations; imports nothing that the extra ``pitchey[media]`` brings."""

from __future__ import annotations

from collections.abc import Sequence

from pitchey_core.ffmpeg.tool import FFMPEG
from pitchey_core.hooks import CatalogEntry, CommandSpec, ProcessorSpec, QueueDefaults, ToolSpec, hookimpl
from pitchey_media.builtin import read_presets

__all__ = ["pitchey_catalog", "pitchey_commands", "pitchey_processors", "pitchey_tools"]


@hookimpl
def pitchey_processors() -> Sequence[ProcessorSpec]:
    """The ``media`` processor."""
    return [
        ProcessorSpec(
            name="media",
            target="pitchey_media.processor:MediaProcessor",
            summary="Make what a platform publishes of audio or video, by preset",
            aliases=("media-transcoding", "media-transcoder"),
            resources="standard-2",
            wall_limit=600.0,
            queue=QueueDefaults(batch_size=3, batch_wait=600.0, retries=3, min_slots=1, max_slots=5),
            extra="pitchey[media]",
            tools=("ffmpeg",),
        )
    ]


@hookimpl
def pitchey_tools() -> Sequence[ToolSpec]:
    """ffmpeg."""
    return [FFMPEG]


@hookimpl
def pitchey_catalog() -> Sequence[CatalogEntry]:
    """The built-in presets."""
    return [
        CatalogEntry("preset", name, str(table["summary"]), f"pitchey_media.builtin:{name}")
        for name, table in read_presets().items()
    ]


@hookimpl
def pitchey_commands() -> Sequence[CommandSpec]:
    """``pitchey-run presets``."""
    return [CommandSpec("presets", "Presets for media: list, show", "pitchey_media.command:presets")]
