"""Single pictures out of a video, in process: seek to a key frame, decode that one picture, turn it upright.

Decoding a whole clip to keep ten pictures of it, as ffmpeg's ``fps`` filter does, costs 14 to 19 times as much.
"""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import av
from PIL import Image, ImageStat

from pitchey_core.errors import InputError
from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.probing import open_media

__all__ = ["FrameReader", "Picture"]

# Times that differ by less are the same: containers round to a millisecond.
_SAME_SECONDS = 0.002
_STAT_SIZE = (64, 36)
# Of 255: a frame of one colour with noise or a logo stays below, the flattest natural scenes do not.
_FLAT_DEVIATION = 5.0
_DARK_MEAN = 14.0
_DARK_DEVIATION = 9.0

_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


class Picture:
    """One decoded picture.

    Attributes:
        seconds: Its time from the start of the video.
    """

    def __init__(self, frame: Any, seconds: float, aspect: Fraction, rotation: int, mirrored: bool) -> None:
        self.seconds = seconds
        self._frame = frame
        self._aspect = aspect
        self._rotation = rotation
        self._mirrored = mirrored
        self._contrast: tuple[float, float] | None = None

    def image(self, width: int | None = None, *, height: int | None = None) -> Image.Image:
        """The picture as a viewer sees it.

        Args:
            width: Pixels; smaller than the video, or the video's own is taken. The height follows.
            height: With ``width``: this size exactly.
        """
        turned = self._rotation in {90, 270}
        full = (max(1, round(self._frame.width * self._aspect)), self._frame.height)
        seen = full[::-1] if turned else full
        if width is not None and height is not None:
            size = (width, height)
        elif width is not None and width < seen[0]:
            size = (width, max(1, round(seen[1] * width / seen[0])))
        else:
            size = seen
        stored = size[::-1] if turned else size
        image: Image.Image = self._frame.reformat(
            width=stored[0], height=stored[1], format="rgb24", interpolation="AREA"
        ).to_image()
        if self._mirrored:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return image.transpose(_TURNS[self._rotation]) if self._rotation else image

    @property
    def contrast(self) -> float:
        """Standard deviation of its brightness, 0 to 128."""
        return self._statistics()[1]

    @property
    def blank(self) -> bool:
        """Nearly black or nearly one colour: nothing to recognise a video by."""
        mean, deviation = self._statistics()
        return deviation < _FLAT_DEVIATION or (mean < _DARK_MEAN and deviation < _DARK_DEVIATION)

    def _statistics(self) -> tuple[float, float]:
        if self._contrast is None:
            small = self.image(_STAT_SIZE[0], height=_STAT_SIZE[1]).convert("L")
            found = ImageStat.Stat(small)
            self._contrast = (found.mean[0], found.stddev[0])
        return self._contrast


class FrameReader:
    """Pictures of one video file by their time.

    Args:
        info: The file; its main video stream is read.
        pixels: Pictures with more pixels are not decoded.

    Raises:
        InputError: It cannot be opened.
    """

    def __init__(self, info: MediaInfo, *, pixels: int | None = None) -> None:
        main = info.main_video
        if main is None or main.video is None:
            raise InputError(f"{info.path.name!r} holds no moving picture")
        self._info = main.video
        try:
            self._media = open_media(info.path, info.demuxer, pixels=pixels)
        except av.FFmpegError as error:
            raise InputError(f"{info.path.name!r} cannot be read: {error}") from error
        stream: Any = self._media.streams[main.index]
        stream.thread_type = "SLICE"
        self._stream = stream
        # Pictures that no other depends on are left out of the decode: half the work for a few milliseconds.
        self._stream.codec_context.skip_frame = "NONREF"
        self._first = int(self._stream.start_time or 0)
        self._decoding: Iterator[Any] | None = None
        self._reached = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._media.close()

    @cached_property
    def key_times(self) -> list[float]:
        """Times of all key frames that the index knows, in seconds; without an index every packet is read."""
        self._decoding = None
        with contextlib.suppress(av.FFmpegError):
            # Matroska loads its index at the first seek.
            self._media.seek(0)
        entries = getattr(self._stream, "index_entries", None) or ()
        ticks = [entry.timestamp for entry in entries if entry.is_keyframe]
        if not ticks:
            ticks = self._scan()
        first = min(ticks, default=self._first)
        return sorted({float((each - first) * self._stream.time_base) for each in ticks})

    def key_picture(self, seconds: float) -> Picture | None:
        """The key frame at or before a time; ``None`` if there is none."""
        self._decoding = None
        try:
            self._seek(seconds)
            for packet in self._media.demux(self._stream):
                if packet.size == 0:
                    break
                if packet.is_keyframe:
                    context = self._stream.codec_context
                    # None asks for what the decoder holds back to put frames in order; the next seek revives it.
                    frames = context.decode(packet) or context.decode(None)
                    # A picture coded as two fields takes a second packet.
                    return self._picture(frames[0]) if frames else self.exact_picture(seconds)
        except av.FFmpegError:
            return None
        return None

    def exact_picture(self, seconds: float) -> Picture | None:
        """The picture at a time, to a few milliseconds, decoded from the key frame before it.

        Slow where key frames are rare; rising times within one group of pictures are decoded in one go.
        """
        found = self._decode_to(seconds)
        if found is None and self._stream.codec_context.skip_frame != "DEFAULT":
            self._stream.codec_context.skip_frame = "DEFAULT"
            self._decoding = None
            found = self._decode_to(seconds)
        return found

    def _decode_to(self, seconds: float) -> Picture | None:
        place = bisect.bisect_right(self.key_times, seconds + _SAME_SECONDS)
        key = self.key_times[place - 1] if place else 0.0
        if self._decoding is None or not key <= self._reached + _SAME_SECONDS <= seconds + _SAME_SECONDS:
            with contextlib.suppress(av.FFmpegError):
                self._seek(key)
            self._decoding = self._frames()
        last = None
        for frame in self._decoding:
            last = self._picture(frame)
            self._reached = last.seconds
            if last.seconds >= seconds - _SAME_SECONDS:
                return last
        self._decoding = None
        return last

    def _frames(self) -> Iterator[Any]:
        packets = self._media.demux(self._stream)
        while True:
            try:
                yield from next(packets).decode()
            except StopIteration:
                return
            except av.InvalidDataError:
                continue
            except av.FFmpegError:
                return

    def _scan(self) -> list[int]:
        found = []
        with contextlib.suppress(av.FFmpegError):
            # One by one, because what was found before an error counts.
            for packet in self._media.demux(self._stream):
                if packet.size and packet.is_keyframe and packet.pts is not None:
                    found.append(int(packet.pts))  # noqa: PERF401
        return found

    def _seek(self, seconds: float) -> None:
        ticks = self._first + round(Fraction(seconds + _SAME_SECONDS) / self._stream.time_base)
        try:
            self._media.seek(ticks, stream=self._stream)
        except av.FFmpegError:
            # A file with a damaged index: start from the top and decode up to the time.
            self._media.seek(0)

    def _picture(self, frame: Any) -> Picture:
        ticks = frame.pts if frame.pts is not None else self._first
        aspect = Fraction(1) if self._info.square else Fraction(*self._info.sample_aspect)
        return Picture(
            frame,
            max(0.0, float((ticks - self._first) * self._stream.time_base)),
            aspect,
            self._info.rotation,
            self._info.mirrored,
        )
