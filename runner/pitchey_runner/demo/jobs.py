"""The demo's batch file, written out so that it can be read, changed and run by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

__all__ = ["write_batch"]

_HEAD: Final = "# What `pitchey-run demo` runs. Paths are relative to this file. Run it again by hand:\n"

_VIDEO: Final[dict[str, dict[str, Any]]] = {
    "web-480p": {
        "output_format": "mp4",
        "quality": "480p",
        "thumbnail_count": 6,
        "sprite": True,
        "poster": True,
    },
    "open-webm": {"output_format": "webm", "quality": "480p", "speed": "veryfast", "thumbnail_count": 3},
    "remux-mkv": {"output_format": "mkv", "quality": "source", "thumbnail_count": 3},
    "teaser-loud": {
        "output_format": "mov",
        "quality": "480p",
        "codec": "h264",
        "start": 1.0,
        "duration": 3.0,
        "max_fps": 12.0,
        "loudness": -14.0,
        "thumbnail_count": 3,
    },
}
_MEDIA: Final[dict[str, dict[str, Any]]] = {
    "publish": {
        "output_presets": [
            "mobile-optimized",
            "hls-ladder",
            "audio-podcast",
            "preview-gif-webp",
            "waveform",
        ],
        "speed": "veryfast",
        "thumbnail_count": 3,
    },
}


def write_batch(folder: Path, source: Path) -> Path:
    """Write ``demo.yaml`` for one input, and return its path."""
    given = str(source.relative_to(folder))
    kinds = (("video", "input_url", _VIDEO), ("media", "input_media", _MEDIA))
    document = {
        "jobs": [
            {"type": kind, "output": f"out/{name}", "payload": {field: given, **payload}}
            for kind, field, jobs in kinds
            for name, payload in jobs.items()
        ],
    }
    path = folder / "demo.yaml"
    command = f"#   pitchey-run --store {folder.name}/pitchey.db batch {folder.name}/demo.yaml\n"
    path.write_text(_HEAD + command + yaml.safe_dump(document, sort_keys=False), "utf-8")
    return path
