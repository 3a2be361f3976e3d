"""Reopen an output before it is published, because ffmpeg's exit status 0 proves nothing.

ffmpeg ends with 0 when the input stops in the middle, when every frame of a stream failed to decode, and when the disk
lost what it wrote. So every packet of the output is read (not decoded), its streams and play times are compared with
the plan, and both ends and samples between them are decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from pitchey_core.ffmpeg.decoding import decode_all, decode_samples
from pitchey_core.ffmpeg.media import MediaInfo, StreamInfo
from pitchey_core.ffmpeg.packets import StreamCount, count_packets, play_time
from pitchey_core.ffmpeg.probing import open_media
from pitchey_core.ffmpeg.steps import StreamPlan

__all__ = ["Expected", "Verification", "early_end", "verify_output"]

_KINDS = ("video", "audio", "subtitle")
_TOLERANCE_SECONDS = 0.5
_TOLERANCE_SHARE = 0.02
_TOLERANCE_MOST = 5.0
_LOST_SHARE = 0.1


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
        exact: It was cut to the frame, so it may not be longer either.
    """

    streams: tuple[tuple[str, str], ...]
    size: tuple[int, int] | None = None
    seconds: float | None = None
    video_seconds: float | None = None
    frames: int | None = None
    source_frames: int | None = None
    frame_seconds: float = 0.0
    exact: bool = False

    @classmethod
    def of(cls, info: MediaInfo, plan: StreamPlan, *, frames: int | None = None) -> Expected:
        """From the input and the plan.

        Args:
            info: The input, as its headers claim or as its packets show.
            frames: The number of pictures that ffmpeg reported.
        """
        wanted = plan.wanted
        video = info.streams[plan.video.source.index] if plan.video is not None else None
        details = video.video if video is not None else None
        whole = not wanted.trimmed
        lengths = [_end(info, step.source.index) for step in plan.played]
        known = [length for length in lengths if length is not None]
        # The file's own play time counts streams that are not kept, so it stands in only where it has to.
        seconds = max(known) if len(known) == len(lengths) else info.duration_seconds
        return cls(
            streams=tuple((s.source.kind, s.codec) for s in plan.steps if s.source.kind in _KINDS),
            size=plan.video.size if plan.video is not None else None,
            seconds=_part(seconds, plan),
            video_seconds=_shown(info, video, plan) if video is not None else None,
            frames=frames,
            source_frames=details.frames if details and whole and wanted.max_fps is None else None,
            frame_seconds=2 / details.fps if details and details.fps else 0.0,
            exact=wanted.trimmed
            and wanted.duration is not None
            and all(s.action == "encode" for s in plan.played),
        )


def _end(info: MediaInfo, index: int) -> float | None:
    """Where a stream ends, counted from the start of the file: one that starts late ends later than it is long."""
    stream = info.streams[index]
    if stream.duration_seconds is None:
        return None
    return stream.duration_seconds + max(0.0, (stream.start_seconds or 0.0) - info.start_seconds)


def _shown(info: MediaInfo, video: StreamInfo, plan: StreamPlan) -> float | None:
    """How long the picture is on screen: one that begins behind the start of the part is shown for less of it."""
    end = _end(info, video.index)
    if end is None:
        return None
    wanted = plan.wanted
    start = wanted.start or 0.0
    begin = 0.0 if wanted.from_start else max(0.0, (video.start_seconds or 0.0) - info.start_seconds)
    last = end if wanted.duration is None else min(end, start + wanted.duration)
    return max(0.0, last - max(begin, start))


def _part(seconds: float | None, plan: StreamPlan) -> float | None:
    wanted = plan.wanted
    left = None if seconds is None else max(0.0, seconds - (wanted.start or 0.0))
    if wanted.duration is None:
        return left
    # Without a known length the part may be shorter than asked for.
    return None if left is None else min(left, wanted.duration)


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
            counts = count_packets(media, check)
            problems, short = _compare(media, counts, expected)
            warnings = _odd(counts, expected)
            decoded = 0
            if not problems:
                if full:
                    decoded, failures = decode_all(media, threads, check)
                else:
                    decoded, failures = decode_samples(media, counts, check)
                problems += failures
    except av.FFmpegError as error:
        return Verification(method, (), 0.0, 0, (f"it cannot be read again: {error.strerror or error}",))
    packets = tuple(count.packets for count in counts)
    seconds = play_time(counts)
    return Verification(method, packets, round(seconds, 3), decoded, tuple(problems), short, tuple(warnings))


def _tolerance(seconds: float, frame_seconds: float = 0.0) -> float:
    share = min(_TOLERANCE_SHARE * seconds, _TOLERANCE_MOST)
    return max(_TOLERANCE_SECONDS, share, frame_seconds)


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
    if expected.size is not None:
        video: Any = media.streams.video[0]
        size = (video.codec_context.width, video.codec_context.height)
        if size != expected.size:
            problems.append(
                f"its picture is {size[0]}x{size[1]} instead of {expected.size[0]}x{expected.size[1]}"
            )
    problems += [f"{count.zeroed} of its pictures are zeros" for count in kept if count.zeroed]
    problems += [
        f"its {count.kind} stream is empty"
        for number, count in enumerate(kept)
        if number == 0 and count.kind in {"video", "audio"} and not count.packets
    ]
    picture = next((count for count in kept if count.kind == "video"), None)
    if picture is not None and expected.frames is not None and picture.packets != expected.frames:
        problems.append(f"it holds {picture.packets} pictures, but {expected.frames} were written")
    whole = play_time(kept)
    if (
        expected.exact
        and expected.seconds is not None
        and whole > expected.seconds + _tolerance(expected.seconds, expected.frame_seconds)
    ):
        problems.append(f"it plays {whole:.2f} s, but {expected.seconds:.2f} s were cut out")
    short = False
    for found_seconds, seconds, what in (
        (whole, expected.seconds, "it"),
        (picture.seconds if picture is not None else None, expected.video_seconds, "its picture"),
    ):
        if found_seconds is None:
            continue
        if seconds is not None and found_seconds < seconds - _tolerance(seconds, expected.frame_seconds):
            problems.append(f"{what} ends after {found_seconds:.2f} s instead of {seconds:.2f} s")
            short = True
    return problems, short


def _odd(counts: Sequence[StreamCount], expected: Expected) -> list[str]:
    warnings = [
        f"stream {n} ({c.kind}) is empty" for n, c in enumerate(counts) if c.kind == "audio" and not c.packets
    ]
    picture = next((count for count in counts if count.kind == "video"), None)
    if picture is not None and expected.source_frames:
        lost = expected.source_frames - picture.packets
        if lost > max(2, _LOST_SHARE * expected.source_frames):
            warnings.append(
                f"{lost} of the input's {expected.source_frames} pictures are missing; it may be damaged"
            )
    if expected.seconds is not None:
        seconds = play_time(counts)
        if seconds > expected.seconds + _tolerance(expected.seconds, expected.frame_seconds):
            warnings.append(f"it plays {seconds:.2f} s although the input claims {expected.seconds:.2f} s")
    return warnings


def early_end(info: MediaInfo, real: MediaInfo) -> tuple[float, float] | None:
    """Whether an input stops before its header says.

    Args:
        info: As its headers claim.
        real: As its packets show; see :func:`~pitchey_core.ffmpeg.packets.measured`.

    Returns:
        The play time claimed and the one found, in seconds, or ``None`` if it is complete.
    """
    claimed, found = info.main_video, real.main_video
    pairs = [(info.duration_seconds, real.duration_seconds)]
    if claimed is not None and found is not None:
        pairs.insert(0, (claimed.duration_seconds, found.duration_seconds))
    for want, have in pairs:
        if want is not None and (have or 0.0) < want - _tolerance(want):
            return want, have or 0.0
    return None
