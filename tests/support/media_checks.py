"""Read outputs back with PyAV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av

from pitchey_core.ffmpeg.media import MediaInfo, StreamInfo, VideoInfo
from pitchey_core.ffmpeg.probing import probe

__all__ = ["colour_at", "frame_times", "info_of", "picture_of", "streams_of", "video_of"]


def info_of(path: Path) -> MediaInfo:
    return probe(path)


def video_of(path: Path) -> VideoInfo:
    stream = probe(path).main_video
    assert stream is not None
    assert stream.video is not None
    return stream.video


def streams_of(path: Path, kind: str) -> list[StreamInfo]:
    return [stream for stream in probe(path).streams if stream.kind == kind]


def frame_times(path: Path) -> list[float]:
    """Times of all pictures that decode, in seconds."""
    with av.open(str(path)) as media:
        return [float(frame.pts * frame.time_base) for frame in media.decode(video=0)]  # type: ignore[operator]


def picture_of(path: Path, seconds: float = 0.0) -> Any:
    """The picture shown at a time, as a Pillow image."""
    with av.open(str(path)) as media:
        last = None
        for frame in media.decode(video=0):
            if frame.time > seconds and last is not None:
                break
            last = frame
        assert last is not None
        return last.to_image()


def colour_at(image: Any, x: float, y: float) -> str:
    """Name of the nearest pure colour at a place, given as parts of width and height."""
    pure = {
        "black": (0, 0, 0), "white": (255, 255, 255), "red": (255, 0, 0), "lime": (0, 255, 0),
        "blue": (0, 0, 255), "yellow": (255, 255, 0), "magenta": (255, 0, 255), "cyan": (0, 255, 255),
        "orange": (255, 165, 0), "gray": (128, 128, 128), "green": (0, 128, 0),
    }  # fmt: skip
    found = image.convert("RGB").getpixel((int(image.width * x), int(image.height * y)))

    def distance(name: str) -> int:
        return sum((a - b) ** 2 for a, b in zip(found, pure[name], strict=True))

    return min(pure, key=distance)
