"""Count and time the packets of a file without decoding them: the cheapest proof of what it really holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import av
from av.container import InputContainer

from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.probing import open_media

__all__ = ["StreamCount", "count_packets", "measured", "play_time"]

_ZERO = bytes(32)
_CHECK_PACKETS = 512


@dataclass(slots=True)
class StreamCount:
    """What was read of one stream.

    Attributes:
        first, last: Begin of the first and end of the last packet, in seconds.
        keys: Times of key frames.
        zeroed: Packets that hold zeros only: what a crashed disk or an unfinished download leaves.
    """

    kind: str
    codec: str
    packets: int = 0
    bytes: int = 0
    first: float | None = None
    last: float = 0.0
    keys: list[float] = field(default_factory=list)
    zeroed: int = 0

    @property
    def seconds(self) -> float:
        return 0.0 if self.first is None else self.last - self.first


def count_packets(media: InputContainer, check: Callable[[], None]) -> list[StreamCount]:
    """Read every packet, which proves that the file is as long as its index says. Ends quietly where the file does.

    Args:
        check: Called now and then; what it raises ends the work.
    """
    counts = [
        StreamCount(s.type, s.codec_context.codec.canonical_name if s.codec_context else "unknown")
        for s in media.streams
    ]
    bases = [float(stream.time_base or 0) for stream in media.streams]
    demuxing = media.demux()
    number = 0
    while True:
        try:
            packet = next(demuxing)
        except (StopIteration, av.FFmpegError):
            return counts
        if number % _CHECK_PACKETS == 0:
            check()
        number += 1
        if packet.size == 0:
            continue
        count, base = counts[packet.stream_index], bases[packet.stream_index]
        count.packets += 1
        count.bytes += packet.size
        if count.kind == "video" and bytes(memoryview(packet)[:32]) == _ZERO:
            count.zeroed += 1
        ticks = packet.pts if packet.pts is not None else packet.dts
        if ticks is None:
            continue
        begin = ticks * base
        if count.first is None or begin < count.first:
            count.first = begin
        end = begin + (packet.duration or 0) * base
        count.last = max(count.last, end)
        if packet.is_keyframe and count.kind == "video":
            count.keys.append(begin)


def play_time(counts: Sequence[StreamCount]) -> float:
    """Seconds from the first packet of picture or sound to the end of the last."""
    timed = [count for count in counts if count.kind in {"video", "audio"} and count.first is not None]
    first = min((count.first or 0.0 for count in timed), default=0.0)
    return max((count.last for count in timed), default=0.0) - first


def measured(info: MediaInfo, *, check: Callable[[], None] = lambda: None) -> MediaInfo:
    """The same file with the play times that its packets have, instead of those that its headers claim.

    ``duration_seconds`` of the file covers every stream, subtitles too, as a container's header does.
    """
    try:
        with open_media(info.path, info.demuxer) as media:
            counts = count_packets(media, check)
    except av.FFmpegError:
        return info
    streams = tuple(
        replace(stream, duration_seconds=count.seconds if count.packets else None)
        for stream, count in zip(info.streams, counts, strict=True)
    )
    begins = [count.first for count in counts if count.first is not None]
    length = max((count.last for count in counts), default=0.0) - min(begins, default=0.0)
    return replace(info, streams=streams, duration_seconds=length)
