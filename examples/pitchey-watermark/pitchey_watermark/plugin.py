"""The hooks. Nothing heavy is imported here: this module is loaded by every ``pitchey-run``."""

from __future__ import annotations

from collections.abc import Sequence

from pitchey_core import ProcessorSpec, QueueDefaults, ToolSpec, hookimpl
from pitchey_core.ffmpeg import FFMPEG

__all__ = ["pitchey_processors", "pitchey_tools"]


@hookimpl
def pitchey_processors() -> Sequence[ProcessorSpec]:
    """The ``watermark`` processor."""
    return [
        ProcessorSpec(
            name="watermark",
            target="pitchey_watermark.processor:Watermark",
            summary="Stamp a text or a picture onto a video",
            aliases=("stamp",),
            resources="standard-2",
            wall_limit=900.0,
            queue=QueueDefaults(retries=2, max_slots=4),
            extra="pitchey[video]",
            tools=("ffmpeg",),
        )
    ]


@hookimpl
def pitchey_tools() -> Sequence[ToolSpec]:
    """ffmpeg. The built-in plugin offers the same specification, which is no conflict."""
    return [FFMPEG]
