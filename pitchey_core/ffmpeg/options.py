"""Options that every ffmpeg run of Pitchey begins with: what it may open, and how much."""

from __future__ import annotations

__all__ = ["GLOBAL_OPTIONS", "input_options"]

GLOBAL_OPTIONS = ("-nostdin", "-hide_banner", "-nostats", "-y")
"""Options of every ffmpeg run. ``-y`` is safe: outputs go to fresh staging paths."""


def input_options(
    demuxer: str, *, threads: int, pixels: int, start: float | None = None, duration: float | None = None
) -> dict[str, str]:
    """Options before ``-i``: one demuxer, no protocol but files, bounded pictures, and the part to read."""
    options = {
        "f": demuxer,
        # Checked against the demuxer of every file that is opened, also by a demuxer itself.
        "format_whitelist": demuxer,
        "protocol_whitelist": "file,pipe",
        "max_pixels": str(pixels),
        "threads": str(threads),
    }
    if demuxer == "mov":
        options["enable_drefs"] = "0"
    if demuxer == "avi":
        options["fflags"] = "+genpts"
    if start:
        options["ss"] = f"{start:.6f}"
    if duration is not None:
        options["t"] = f"{duration:.6f}"
    return options
