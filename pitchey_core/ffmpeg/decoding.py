"""Decode parts of an output, or all of it, to prove that it can be decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import av
from av.container import InputContainer

from pitchey_core.ffmpeg.packets import StreamCount

__all__ = ["decode_all", "decode_samples"]

_SAMPLES = 3
_SAMPLE_FRAMES = 1
_LAST_FRAMES = 4
# Packets beyond the wanted frames that a decoder may ask for: the second field of a picture; priming in sound.
_SENT_AHEAD = {"video": 1, "audio": 6}
_CHECK_PACKETS = 512


def decode_samples(
    media: InputContainer, counts: Sequence[StreamCount], check: Callable[[], None]
) -> tuple[int, list[str]]:
    """Decode at the first and the last key frame and at three between, and both ends of each sound stream.

    Returns:
        How many pictures were decoded, and what is wrong.
    """
    decoded = 0
    problems: list[str] = []
    for video in media.streams.video[:1]:
        decoded, problems = _decode_pictures(media, video, counts[video.index], check)
    for stream in media.streams.audio:
        count = counts[stream.index]
        if count.packets and count.first is not None:
            problems += [
                f"its sound (stream {stream.index}) cannot be decoded at {place:.2f} s"
                for place in (count.first, max(count.first, count.last - 0.5))
                if not _decode_from(media, stream, place, _SAMPLE_FRAMES)
            ]
    return decoded, problems


def _decode_pictures(
    media: InputContainer, video: Any, count: StreamCount, check: Callable[[], None]
) -> tuple[int, list[str]]:
    video.thread_type = "SLICE"
    # Streams that refresh gradually have no key frames; those are tried from their start.
    keys = sorted(count.keys) or [count.first or 0.0]
    between = [keys[len(keys) * n // (_SAMPLES + 1)] for n in range(1, _SAMPLES + 1)]
    decoded, problems = 0, []
    for place in dict.fromkeys([keys[0], *between, keys[-1]]):
        check()
        most = _LAST_FRAMES if place == keys[-1] else _SAMPLE_FRAMES
        frames = _decode_from(media, video, place, most)
        decoded += frames
        if not frames:
            problems.append(f"its picture cannot be decoded at {place:.2f} s")
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


def decode_all(media: InputContainer, threads: int, check: Callable[[], None]) -> tuple[int, list[str]]:
    """Decode every picture and sound; returns how many pictures were decoded, and what is wrong."""
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
