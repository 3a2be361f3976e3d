"""Options that every ffmpeg run of Pitchey begins with: what it may open, and how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pitchey_core.ffmpeg.filters import Filter
from pitchey_core.ffmpeg.media import MediaInfo, late_by

__all__ = ["GLOBAL_OPTIONS", "Cut", "as_words", "cut_of", "input_options"]

GLOBAL_OPTIONS = ("-nostdin", "-hide_banner", "-nostats", "-y")
"""Options of every ffmpeg run. ``-y`` is safe: outputs go to fresh staging paths."""


# Without an index ffmpeg seeks these by byte position, and may land behind the time that was asked for.
_WITHOUT_INDEX = frozenset({"mpegts", "mpeg"})
# Longer than key frames are apart in what cameras and broadcasters write.
_LEAD_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Cut:
    """How a part is cut out of an input.

    Attributes:
        input: Options before ``-i``.
        output: Options of every output.
        lead: Seconds between what is read and what is kept. Filters see times that count from what is read.
    """

    input: dict[str, str] = field(default_factory=dict)
    output: dict[str, str] = field(default_factory=dict)
    lead: float = 0.0

    def end_of(self, late: float, duration: float | None) -> float | None:
        """Where a stream that begins ``late`` has to be cut off by a filter, in the time of the filters."""
        return self.lead + duration if late and duration is not None else None

    def before(self) -> tuple[Filter, ...]:
        """Filters that take the lead off sound which is measured on its way, before options of the output would."""
        if not self.lead:
            return ()
        return self.drawn("atrim", "asetpts")

    def drawn(self, trim: str = "trim", clock: str = "setpts") -> tuple[Filter, ...]:
        """Filters that leave the part, with times that count from it; a stream that begins late stays late."""
        part = {"start": f"{self.lead:.6f}"}
        if "t" in self.output:
            part["end"] = f"{self.lead + float(self.output['t']):.6f}"
        return (Filter(trim, tuple(part.items())), Filter(clock, (("expr", f"PTS-{self.lead:.6f}/TB"),)))


def cut_of(info: MediaInfo, start: float | None, duration: float | None) -> Cut:
    """Cut out ``duration`` seconds from ``start``; either may be ``None``."""
    length = {} if duration is None else {"t": f"{duration:.6f}"}
    if not start:
        return Cut(length)
    if any(late_by(info, picture, start) for picture in info.pictures):
        # ffmpeg seeks to key frames. Where none comes before the start it goes to a later one, and what other streams
        # hold until then is lost.
        return Cut({}, {"ss": f"{start:.6f}", **length}, start)
    if info.demuxer not in _WITHOUT_INDEX:
        return Cut({"ss": f"{start:.6f}", **length})
    lead = min(start, _LEAD_SECONDS)
    seek = {"ss": f"{start - lead:.6f}"} if start > lead else {}
    return Cut(seek, {"ss": f"{lead:.6f}", **length}, lead)


def input_options(demuxer: str, *, threads: int, pixels: int) -> dict[str, str]:
    """Options before ``-i``: one demuxer, no protocol but files, bounded pictures."""
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
    return options


def as_words(options: Mapping[str, str]) -> list[str]:
    """Options as arguments: each name with a dash, then its value."""
    return [word for name, value in options.items() for word in (f"-{name}", value)]
