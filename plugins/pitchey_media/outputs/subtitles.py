"""Subtitles of a ladder: each text track becomes one WebVTT file, which is the one segment of its playlist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pitchey_core.errors import ToolFailed
from pitchey_core.ffmpeg.formats import Container
from pitchey_core.ffmpeg.graph import Tap
from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.plan_tracks import plan_track
from pitchey_core.ffmpeg.steps import Step, StreamReport, Wanted
from pitchey_media.outputs.playlists import whole_file

__all__ = ["SubtitleTrack", "completed", "plan_subtitles"]

_NOTHING: Final[frozenset[str]] = frozenset()
_WEBVTT: Final = Container(
    "WebVTT", "webvtt", "webvtt", "text/vtt", "", "",
    keeps_video=_NOTHING, keeps_audio=_NOTHING, holds_video=_NOTHING, holds_audio=_NOTHING,
    subtitle="webvtt", copies_subtitles=frozenset({"webvtt"}),
)  # fmt: skip
_TIMES = re.compile(r"((?:\d+:)?\d\d:\d\d\.\d{3}) --> ((?:\d+:)?\d\d:\d\d\.\d{3})(.*)")
# What WebVTT would take for markup although it is none: ffmpeg writes the text of other formats as it is.
_STRAY = re.compile(r"&(?!(?:#\d+|#x[0-9a-fA-F]+|\w+);)|<(?!/?[A-Za-z]|\d\d:)|-->")
_ESCAPED: Final = {"&": "&amp;", "<": "&lt;", "-->": "--&gt;"}
# RFC 8216: cues count from the same zero as the pictures.
_HEADER: Final = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n"


def plan_subtitles(info: MediaInfo, wanted: Wanted, name: str) -> tuple[list[Step], list[StreamReport]]:
    """The tracks to convert, and what becomes of each."""
    texts = replace(wanted, container=_WEBVTT, subtitles=True)
    planned = [plan_track(stream, info, texts, name) for stream in info.of_kind("subtitle")]
    return [step for step, _ in planned if step is not None], [report for _, report in planned]


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    """One track of a ladder.

    Attributes:
        name: Of its artifact.
        path: Where it is written.
    """

    name: str
    path: Path
    step: Step

    @property
    def tap(self) -> Tap:
        """What the encoding run writes beside its pictures."""

        def as_it_is(text: Any) -> Any:
            return text

        codec = "copy" if self.step.action == "copy" else "webvtt"
        return Tap(self.name, self.path, self.step, as_it_is, {"f": "webvtt", "c:s": codec})

    def complete(self, playlist: Path, seconds: float) -> ToolFailed | None:
        """Finish the file, and write its playlist; returns what is wrong with it.

        Args:
            seconds: Play time of the ladder.
        """
        try:
            text = self.path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            return ToolFailed(f"what ffmpeg wrote cannot be read: {error}", tool="ffmpeg", returncode=0)
        if not text.startswith("WEBVTT"):
            return ToolFailed("ffmpeg wrote no WebVTT", tool="ffmpeg", returncode=0)
        self.path.write_text(completed(text, seconds), "utf-8")
        playlist.write_text(whole_file(self.path.name, seconds), "utf-8")
        return None


def completed(text: str, seconds: float) -> str:
    """WebVTT as ffmpeg writes it, as players of HLS want it: on the clock of the pictures, and up to their end."""
    return _HEADER + "".join(f"\n{cue}\n" for cue in _cues(text, seconds))


def _cues(text: str, seconds: float) -> Iterator[str]:
    for block in re.split(r"\n{2,}", text.replace("\r\n", "\n").strip("\n"))[1:]:
        lines = block.split("\n")
        number = next((n for n, line in enumerate(lines) if _TIMES.match(line)), None)
        if number is None:
            if lines[0].startswith(("STYLE", "REGION", "NOTE")):
                yield block
            continue
        begin, end, settings = _TIMES.match(lines[number]).groups()  # type: ignore[union-attr]
        if _seconds(begin) >= seconds:
            continue
        if _seconds(end) > seconds:
            end = _written(seconds)
        words = [_STRAY.sub(lambda found: _ESCAPED[found[0]], line) for line in lines[number + 1 :]]
        yield "\n".join([*lines[:number], f"{begin} --> {end}{settings}", *words])


def _seconds(clock: str) -> float:
    *hours, minutes, rest = clock.split(":")
    return int(hours[0] if hours else 0) * 3600 + int(minutes) * 60 + float(rest)


def _written(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest / 1000:06.3f}"
