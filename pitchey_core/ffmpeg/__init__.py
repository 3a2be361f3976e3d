"""Video and audio work with ffmpeg and PyAV: shared by the built-in plugins and open to others.

::

    from pitchey_core.ffmpeg import Wanted, container, plan_streams, probe

    info = probe(path)                                  # PyAV, in process; typed errors for what cannot be read
    plan = plan_streams(info, Wanted(container("mp4"))) # per stream: copied, encoded or dropped, and why

Importing this package imports neither PyAV nor ffmpeg-python; the names below are loaded when they are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pitchey_core.ffmpeg.encode import EncodeStats, run_ffmpeg
    from pitchey_core.ffmpeg.forecast import Estimate, estimate
    from pitchey_core.ffmpeg.formats import Container, container
    from pitchey_core.ffmpeg.frames import FrameReader
    from pitchey_core.ffmpeg.graph import Tap, Target, build_arguments
    from pitchey_core.ffmpeg.hardware import EncoderChoice, choose_encoder
    from pitchey_core.ffmpeg.loudness import LoudnessReport, normalisation
    from pitchey_core.ffmpeg.media import MediaInfo, StreamInfo
    from pitchey_core.ffmpeg.packets import measured
    from pitchey_core.ffmpeg.plan import plan_streams
    from pitchey_core.ffmpeg.probing import probe
    from pitchey_core.ffmpeg.sniffing import Sniffed, sniff
    from pitchey_core.ffmpeg.sprite import SpriteLayout, compose_sheet, sprite_layout, webvtt
    from pitchey_core.ffmpeg.steps import StreamPlan, StreamReport, Wanted
    from pitchey_core.ffmpeg.thumbnails import Thumbnail, best_picture, take_thumbnails
    from pitchey_core.ffmpeg.tool import FFMPEG, Build, build_of, capabilities
    from pitchey_core.ffmpeg.transcode import Rendered, Rendition, Transcoder
    from pitchey_core.ffmpeg.verify import Expected, Verification, early_end, verify_output

_HOMES = {
    "encode": ("EncodeStats", "run_ffmpeg"),
    "forecast": ("Estimate", "estimate"),
    "formats": ("Container", "container"),
    "frames": ("FrameReader",),
    "graph": ("Tap", "Target", "build_arguments"),
    "hardware": ("EncoderChoice", "choose_encoder"),
    "loudness": ("LoudnessReport", "normalisation"),
    "media": ("MediaInfo", "StreamInfo"),
    "packets": ("measured",),
    "plan": ("plan_streams",),
    "probing": ("probe",),
    "sniffing": ("Sniffed", "sniff"),
    "sprite": ("SpriteLayout", "compose_sheet", "sprite_layout", "webvtt"),
    "steps": ("StreamPlan", "StreamReport", "Wanted"),
    "thumbnails": ("Thumbnail", "best_picture", "take_thumbnails"),
    "tool": ("FFMPEG", "Build", "build_of", "capabilities"),
    "transcode": ("Rendered", "Rendition", "Transcoder"),
    "verify": ("Expected", "Verification", "early_end", "verify_output"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "FFMPEG",
    "Build",
    "Container",
    "EncodeStats",
    "EncoderChoice",
    "Estimate",
    "Expected",
    "FrameReader",
    "LoudnessReport",
    "MediaInfo",
    "Rendered",
    "Rendition",
    "Sniffed",
    "SpriteLayout",
    "StreamInfo",
    "StreamPlan",
    "StreamReport",
    "Tap",
    "Target",
    "Thumbnail",
    "Transcoder",
    "Verification",
    "Wanted",
    "best_picture",
    "build_arguments",
    "build_of",
    "capabilities",
    "choose_encoder",
    "compose_sheet",
    "container",
    "early_end",
    "estimate",
    "measured",
    "normalisation",
    "plan_streams",
    "probe",
    "run_ffmpeg",
    "sniff",
    "sprite_layout",
    "take_thumbnails",
    "verify_output",
    "webvtt",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
