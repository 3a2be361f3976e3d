"""Playlists of HLS (RFC 8216), as text: what ffmpeg's muxer writes is read and corrected, the rest is written here."""

from __future__ import annotations

import bisect
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av

from pitchey_core.ffmpeg.media import StreamInfo
from pitchey_core.ffmpeg.naming import file_argument
from pitchey_media.languages import language_tag

__all__ = [
    "PLAYLIST_TYPE",
    "Segment",
    "codec_of",
    "exact",
    "mean_rate",
    "media_tag",
    "peak_rate",
    "read_segments",
    "title_of",
    "unique",
    "whole_file",
]

PLAYLIST_TYPE: Final = "application/vnd.apple.mpegurl"
_DURATION = re.compile(r"#EXTINF:([0-9.]+)")
_TARGET = re.compile(r"#EXT-X-TARGETDURATION:\d+")
_RANGE = re.compile(r"#EXT-X-BYTERANGE:(\d+)@(\d+)")


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its length in seconds, and where it lies in its file, in bytes."""

    seconds: float
    offset: int
    bytes: int


def read_segments(playlist: str) -> list[Segment]:
    """The segments of a media playlist with byte ranges."""
    lengths = [float(each) for each in _DURATION.findall(playlist)]
    ranges = [(int(size), int(offset)) for size, offset in _RANGE.findall(playlist)]
    return [Segment(seconds, offset, size) for seconds, (size, offset) in zip(lengths, ranges, strict=True)]


def exact(playlist: str, path: Path) -> str:
    """The same playlist with the lengths that its segments really have.

    ffmpeg adds up what packets say of their lengths, which leaves out the gaps of a variable frame rate.
    """
    segments = read_segments(playlist)
    offsets = [segment.offset for segment in segments]
    starts = [math.inf] * len(segments)
    end = 0.0
    with av.open(file_argument(path), format="mov") as media:
        stream = media.streams[0]
        for packet in media.demux(stream):
            if packet.pts is None or packet.time_base is None or not packet.size:
                continue
            begin = float(packet.pts * packet.time_base)
            number = bisect.bisect_right(offsets, packet.pos or 0) - 1
            starts[number] = min(starts[number], begin)
            end = max(end, begin + float((packet.duration or 0) * packet.time_base))
    lengths = [after - before for before, after in itertools.pairwise([*starts, end])]
    found = iter(lengths)
    text = _DURATION.sub(lambda _: f"#EXTINF:{next(found):.6f}", playlist)
    return _TARGET.sub(f"#EXT-X-TARGETDURATION:{_rounded(max(lengths))}", text)


def peak_rate(segments: Sequence[Segment]) -> int:
    """Bits a second of the busiest segment."""
    return max(round(each.bytes * 8 / max(each.seconds, 0.1)) for each in segments)


def mean_rate(segments: Sequence[Segment]) -> int:
    """Bits a second on average."""
    return round(sum(each.bytes for each in segments) * 8 / max(sum(each.seconds for each in segments), 0.1))


def codec_of(path: Path) -> tuple[str, float]:
    """The RFC 6381 name of an H.264 stream, from its configuration record, and its frame rate."""
    with av.open(file_argument(path), format="mov") as media:
        stream = media.streams.video[0]
        record = bytes(stream.codec_context.extradata or b"")
        rate = float(stream.average_rate or stream.guessed_rate or 0)
    return f"avc1.{record[1:4].hex()}", rate


def whole_file(uri: str, seconds: float) -> str:
    """A media playlist of one segment, which is a file as a whole."""
    lines = (
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{_rounded(seconds)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        f"#EXTINF:{seconds:.6f},",
        uri,
        "#EXT-X-ENDLIST",
    )
    return "\n".join(lines) + "\n"


def _rounded(seconds: float) -> int:
    """RFC 8216: no segment, rounded to the nearest second, may be longer than the target."""
    return max(1, math.floor(seconds + 0.5))


def media_tag(
    kind: str, group: str, name: str, stream: StreamInfo, uri: str, attributes: Mapping[str, str]
) -> str:
    """The line of a rendition in the master playlist.

    Args:
        kind: ``AUDIO`` or ``SUBTITLES``.
        name: What a player's menu shows; unique in its group.
        attributes: Further ones, as they are written.
    """
    language = language_tag(stream.language)
    found = {
        "TYPE": kind,
        "GROUP-ID": f'"{group}"',
        "NAME": f'"{name}"',
        **({"LANGUAGE": f'"{language}"'} if language is not None else {}),
        **attributes,
        "URI": f'"{uri}"',
    }
    return "#EXT-X-MEDIA:" + ",".join(f"{key}={value}" for key, value in found.items())


def title_of(stream: StreamInfo, otherwise: str) -> str:
    """What a player's menu shows for a track; quotes and line ends would end the attribute."""
    language = stream.language if stream.language != "und" else None
    name = stream.title or language or otherwise
    return "".join(ch for ch in name if ch.isprintable() and ch != '"').strip() or otherwise


def unique(names: Sequence[str], separator: str = " ") -> list[str]:
    """Names that all differ, as members of one group must."""
    found: list[str] = []
    for name in names:
        number, candidate = 2, name
        while candidate in found:
            candidate, number = f"{name}{separator}{number}", number + 1
        found.append(candidate)
    return found
