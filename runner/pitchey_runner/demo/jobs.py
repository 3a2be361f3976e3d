"""The demo's batch file, written out so that it can be read, changed and run by hand."""

from __future__ import annotations

from collections.abc import Mapping
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
_DOCUMENT: Final[dict[str, dict[str, Any]]] = {
    "deck": {},
    "script": {"ocr": "auto", "outputs": ["text", "searchable-pdf", "previews"]},
}

_PITCH: Final = (
    "A retired lighthouse keeper must relight her lamp before dawn, or the last ship of the islanders will be lost. "
    "But the company has sold the tower, and its new owner will not open the door. "
    "On an island where nobody talks to strangers, she has one night to win over a man who has every reason to hate "
    "her. The Old Man and the Sea meets Locked Out: a warm drama for everyone who ever kept a promise too late."
)
_INFERENCE: Final[dict[str, dict[str, Any]]] = {
    "pitch": {"model": "pitch-analyzer-v2", "text": _PITCH, "parameters": {"temperature": 0.7}},
}

_RUNTIME: Final = """\
# What a stranger might send: the running time of a cut list, and an attempt to look around.
import sys

frames = sum(int(line.split()[1]) - int(line.split()[0]) for line in sys.stdin)
print(f"{frames} frames, {frames / 24:.2f} s")
try:
    open("/etc/passwd.bak", "w")
except OSError as error:
    print("writing to the host:", error.strerror)
"""
_CODE: Final[dict[str, dict[str, Any]]] = {
    "cut-list": {"language": "python", "code": _RUNTIME, "stdin": "0 240\n300 420\n", "timeout": 5.0},
}


def write_batch(folder: Path, source: Path, papers: Mapping[str, Path], *, programs: bool) -> Path:
    """Write ``demo.yaml`` for the footage, the documents, a pitch and (``programs``) a program; return its path."""
    jobs = [
        (kind, name, {field: source, **payload})
        for kind, field, payloads in (("video", "input_url", _VIDEO), ("media", "input_media", _MEDIA))
        for name, payload in payloads.items()
    ]
    jobs += [
        ("document", f"read-{name}", {"document_url": path, **_DOCUMENT[name]})
        for name, path in papers.items()
    ]
    jobs += [("inference", name, dict(payload)) for name, payload in _INFERENCE.items()]
    jobs += [("code", name, dict(payload)) for name, payload in _CODE.items() if programs]
    document = {
        "jobs": [
            {"type": kind, "output": f"out/{name}", "payload": _relative(folder, payload)}
            for kind, name, payload in jobs
        ],
    }
    path = folder / "demo.yaml"
    command = f"#   pitchey-run --store {folder.name}/pitchey.db batch {folder.name}/demo.yaml\n"
    path.write_text(_HEAD + command + yaml.safe_dump(document, sort_keys=False), "utf-8")
    return path


def _relative(folder: Path, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        key: str(value.relative_to(folder)) if isinstance(value, Path) else value
        for key, value in payload.items()
    }
