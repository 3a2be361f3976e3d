"""Hook implementations; imports nothing that the extra ``pitchey[video]`` brings."""

from __future__ import annotations

from collections.abc import Sequence

from pitchey_core.ffmpeg.tool import FFMPEG
from pitchey_core.hooks import ProcessorSpec, QueueDefaults, ToolSpec, hookimpl

__all__ = ["pitchey_processors", "pitchey_tools"]


@hookimpl
def pitchey_processors() -> Sequence[ProcessorSpec]:
    """The ``video`` processor."""
    return [
        ProcessorSpec(
            name="video",
            target="pitchey_video.processor:VideoProcessor",
            summary="Transcode a video for the web, with thumbnails, sprite sheet and poster",
            aliases=("video-processing", "video-processor"),
            resources="standard-2",
            wall_limit=1800.0,
            queue=QueueDefaults(batch_size=5, batch_wait=300.0, retries=3, min_slots=1, max_slots=10),
            extra="pitchey[video]",
            tools=("ffmpeg",),
        )
    ]


@hookimpl
def pitchey_tools() -> Sequence[ToolSpec]:
    """ffmpeg."""
    return [FFMPEG]
