"""Reopen an output before it is published, because ffmpeg's exit status 0 proves nothing.

ffmpeg ends with 0 when the input stops in the middle, when every frame of a stream failed to decode, and when the disk
lost what it wrote. So every packet of the output is read (not decoded), its streams and play times are compared with the
plan, and both ends and samples between them are decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.plan import StreamPlan
from pitchey_core.ffmpeg.probing import open_media

__all__ = ["Expected", "StreamCount", "Verification", "early_end", "verify_output"]

_KINDS = ("video", "audio", "subtitle")
_TOLERANCE_SECONDS = 0.5
_TOLERANCE_SHARE = 0.02
_TOLERANCE_MOST = 5.0
_LOST_SHARE = 0.1
_SAMPLES = 3
_SAMPLE_FRAMES = 1
_LAST_FRAMES = 4
# Packets beyond the wanted frames that a decoder may ask for: the second field of a picture; priming in sound.
_SENT_AHEAD = {"video": 1, "audio": 6}
_ZERO = bytes(32)
_CHECK_PACKETS = 512


@dataclass(frozen=True, slots=True)
class Expected:
    """What an output should hold.

    Attributes:
        streams: Kind and codec of each stream, in order.
        size: Of the picture, if it was encoded.
        seconds: Play time; ``None`` if the input did not say.
        video_seconds: The same of the picture stream alone.
        frames: Pictures that ffmpeg says it wrote.
        source_frames: Pictures that the input claims, where all of them should arrive.
        frame_seconds: The longest that one picture may be shown at the end.
    """

    streams: tuple[tuple[str, str], ...]
    size: tuple[int, int] | None = None
    seconds: float | None = None
    video_seconds: float | None = None
    frames: int | None = None
    source_frames: int | None = None
    frame_seconds: float = 0.0

    @classmethod
    def of(cls, info: MediaInfo, plan: StreamPlan, *, frames: int | None = None) -> Expected:
        """From the input and the plan, with the number of pictures that ffmpeg reported."""
        wanted, video = plan.wanted, plan.video.source
        details = video.video
        whole = not wanted.trimmed
        kept = [info.duration_seconds] if len(plan.steps) == len(info.streams) else []
        lengths = [step.source.duration_seconds for step in (plan.video, *plan.audio)]
        if all(length is not None for length in lengths):
            kept = lengths
        return cls(
            streams=tuple((s.source.kind, s.codec) for s in plan.steps if s.source.kind in _KINDS),
            size=plan.video.size,
            seconds=_part(max((k for k in kept if k is not None), default=info.duration_seconds), plan),
            video_seconds=_part(video.duration_seconds, plan),
            frames=frames,
            source_frames=details.frames if details and whole and wanted.max_fps is None else None,
            frame_seconds=2 / details.fps if details and details.fps else 0.0,
        )


def _part(seconds: float | None, plan: StreamPlan) -> float | None:
    wanted = plan.wanted
    left = None if seconds is None else max(0.0, seconds - (wanted.start or 0.0))
    if wanted.duration is None:
        return left
    # Without a known length the part may be shorter than asked for.
    return None if left is None else min(left, wanted.duration)


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


@dataclass(frozen=True, slots=True)
class Verification:
    """The record of a verification.

    Attributes:
        method: ``sampled`` or ``full``.
        packets: Packets read, by stream of the output.
        seconds: Play time found.
        frames_decoded: Pictures that were decoded to prove that they can be.
        problems: Why the output must not be published; empty if it may.
        short: One of the problems is that it ends early.
        warnings: What looks odd and may be the input's fault.
    """

    method: str
    packets: tuple[int, ...]
    seconds: float
    frames_decoded: int
    problems: tuple[str, ...] = ()
    short: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def verify_output(
    path: Path,
    demuxer: str,
    expected: Expected,
    *,
    full: bool = False,
    threads: int = 1,
    check: Callable[[], None] = lambda: None,
) -> Verification:
    """Check an output against what it should be.

    Args:
        demuxer: That reads the output.
        full: Decode every picture and sound.
        threads: For the full decode.
        check: Called now and then; what it raises ends the work.
    """
    method = "full" if full else "sampled"
    try:
        with open_media(path, demuxer) as media:
            counts = _count(media, check)
            problems, short = _compare(media, counts, expected)
            warnings = _odd(counts, expected)
            decoded = 0
            if not problems:
                if full:
                    decoded, failures = _decode_all(media, threads, check)
                else:
                    decoded, failures = _decode_samples(media, counts, check)
                problems += failures
    except av.FFmpegError as error:
        return Verification(method, (), 0.0, 0, (f"it cannot be read again: {error.strerror or error}",))
    packets = tuple(count.packets for count in counts)
    seconds = _play_time(counts)
    return Verification(method, packets, round(seconds, 3), decoded, tuple(problems), short, tuple(warnings))


def _count(media: InputContainer, check: Callable[[], None]) -> list[StreamCount]:
    """Read every packet; also what nothing else does: it proves that the file is as long as its index says."""
    counts = [
        StreamCount(s.type, s.codec_context.codec.canonical_name if s.codec_context else "unknown")
        for s in media.streams
    ]
    bases = [float(stream.time_base or 0) for stream in media.streams]
    for number, packet in enumerate(media.demux()):
        if number % _CHECK_PACKETS == 0:
            check()
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
    return counts


def _play_time(counts: Sequence[StreamCount]) -> float:
    timed = [count for count in counts if count.kind in {"video", "audio"} and count.first is not None]
    first = min((count.first or 0.0 for count in timed), default=0.0)
    return max((count.last for count in timed), default=0.0) - first


def _tolerance(seconds: float, expected: Expected) -> float:
    share = min(_TOLERANCE_SHARE * seconds, _TOLERANCE_MOST)
    return max(_TOLERANCE_SECONDS, share, expected.frame_seconds)


def _compare(
    media: InputContainer, counts: Sequence[StreamCount], expected: Expected
) -> tuple[list[str], bool]:
    problems = []
    kept = [count for count in counts if count.kind in _KINDS]
    found = [(count.kind, count.codec) for count in kept]
    if [kind for kind, _ in found] != [kind for kind, _ in expected.streams]:
        shown = ", ".join(kind for kind, _ in found) or "nothing"
        problems.append(f"it holds {shown} instead of {', '.join(kind for kind, _ in expected.streams)}")
        return problems, False
    for (kind, have), (_, want) in zip(found, expected.streams, strict=True):
        if have != want:
            problems.append(f"its {kind} stream is {have} instead of {want}")
    video: Any = media.streams.video[0]
    size = (video.codec_context.width, video.codec_context.height)
    if expected.size is not None and size != expected.size:
        problems.append(f"its picture is {size[0]}x{size[1]} instead of {expected.size[0]}x{expected.size[1]}")
    problems += [f"{count.zeroed} of its pictures are zeros" for count in kept if count.zeroed]
    problems += [
        f"its {count.kind} stream is empty" for count in kept if count.kind == "video" and not count.packets
    ]
    picture = kept[0]
    if expected.frames is not None and picture.packets != expected.frames:
        problems.append(f"it holds {picture.packets} pictures, but {expected.frames} were written")
    short = False
    for seconds, want, what in (
        (_play_time(kept), expected.seconds, "it"),
        (picture.seconds, expected.video_seconds, "its picture"),
    ):
        if want is not None and seconds < want - _tolerance(want, expected):
            problems.append(f"{what} ends after {seconds:.2f} s instead of {want:.2f} s")
            short = True
    return problems, short


def _odd(counts: Sequence[StreamCount], expected: Expected) -> list[str]:
    warnings = [f"stream {n} ({c.kind}) is empty" for n, c in enumerate(counts) if c.kind == "audio" and not c.packets]
    picture = next((count for count in counts if count.kind == "video"), None)
    if picture is not None and expected.source_frames:
        lost = expected.source_frames - picture.packets
        if lost > max(2, _LOST_SHARE * expected.source_frames):
            warnings.append(f"{lost} of the input's {expected.source_frames} pictures are missing; it may be damaged")
    if expected.seconds is not None:
        seconds = _play_time(counts)
        if seconds > expected.seconds + _tolerance(expected.seconds, expected):
            warnings.append(f"it plays {seconds:.2f} s although the input claims {expected.seconds:.2f} s")
    return warnings


def _decode_samples(
    media: InputContainer, counts: Sequence[StreamCount], check: Callable[[], None]
) -> tuple[int, list[str]]:
    video: Any = media.streams.video[0]
    video.thread_type = "SLICE"
    # Streams that refresh gradually have no key frames; those are tried from their start.
    keys = sorted(counts[video.index].keys) or [counts[video.index].first or 0.0]
    between = [keys[len(keys) * n // (_SAMPLES + 1)] for n in range(1, _SAMPLES + 1)]
    places = dict.fromkeys([keys[0], *between, keys[-1]])
    decoded, problems = 0, []
    for place in places:
        check()
        most = _LAST_FRAMES if place == keys[-1] else _SAMPLE_FRAMES
        frames = _decode_from(media, video, place, most)
        decoded += frames
        if not frames:
            problems.append(f"its picture cannot be decoded at {place:.2f} s")
    for stream in media.streams.audio:
        count = counts[stream.index]
        if count.packets and count.first is not None:
            for place in (count.first, max(count.first, count.last - 0.5)):
                if not _decode_from(media, stream, place, _SAMPLE_FRAMES):
                    problems.append(f"its sound (stream {stream.index}) cannot be decoded at {place:.2f} s")
    return decoded, problems


def _decode_from(media: InputContainer, stream: Any, seconds: float, most: int) -> int:
    frames, sent = 0, 0
    try:
        media.seek(int(seconds / float(stream.time_base)), stream=stream)
        for packet in media.demux(stream):
            if packet.size == 0:
                break
            frames += len(stream.codec_context.decode(packet))
            # What an edit list hides is decoded but not shown.
            sent += not packet.is_discard
            if frames >= most or sent >= most + _SENT_AHEAD[stream.type]:
                break
        if frames < most:
            frames += len(stream.codec_context.decode(None))
    except av.FFmpegError:
        return 0
    return frames


def _decode_all(media: InputContainer, threads: int, check: Callable[[], None]) -> tuple[int, list[str]]:
    media.seek(0)
    streams: list[Any] = [*media.streams.video[:1], *media.streams.audio]
    for stream in streams:
        if stream.type == "video":
            stream.thread_type, stream.codec_context.thread_count = "AUTO", threads
    decoded, corrupt = 0, 0
    failures: dict[int, str] = {}
    for number, packet in enumerate(media.demux(*streams)):
        if number % _CHECK_PACKETS == 0:
            check()
        try:
            for frame in packet.decode():
                decoded += packet.stream.type == "video"
                corrupt += bool(getattr(frame, "is_corrupt", False))
        except av.FFmpegError as error:
            failures.setdefault(packet.stream_index, str(error.strerror or error))
    problems = [f"stream {index} cannot be decoded: {words}" for index, words in failures.items()]
    if corrupt:
        problems.append(f"{corrupt} of its pictures are damaged")
    return decoded, problems


def early_end(info: MediaInfo, expected: Expected) -> float | None:
    """Where the pictures of an input really end, in seconds, if that is before its header says; else ``None``.

    Reads every packet; meant for finding out whose fault a short output is.
    """
    video = info.main_video
    claimed = (video.duration_seconds if video else None) or info.duration_seconds
    if video is None or claimed is None:
        return None
    first, last = None, 0.0
    try:
        with open_media(info.path, info.demuxer) as media:
            stream: Any = media.streams[video.index]
            base = float(stream.time_base or 0)
            for packet in media.demux(stream):
                ticks = packet.pts if packet.pts is not None else packet.dts
                if ticks is None or packet.size == 0 or packet.is_corrupt:
                    continue
                first = ticks * base if first is None else min(first, ticks * base)
                last = max(last, (ticks + (packet.duration or 0)) * base)
    except av.FFmpegError:
        # Reading stops where the file does.
        last = max(last, 0.0)
    found = last - (first or 0.0)
    return found if found < claimed - _tolerance(claimed, expected) else None
