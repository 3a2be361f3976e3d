"""What is wanted of an output, and the plan for it, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pitchey_core.ffmpeg.encoders import AudioEncoder
from pitchey_core.ffmpeg.filters import Filter
from pitchey_core.ffmpeg.formats import Container, Speed, VideoCodec
from pitchey_core.ffmpeg.media import StreamInfo

__all__ = ["Action", "Step", "StreamPlan", "StreamReport", "Wanted"]

Action = Literal["copy", "encode", "drop"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the output should be.

    Attributes:
        box: Width and height that a landscape picture must fit into (turned for a portrait one); ``None``: any.
        codec: ``auto`` is the container's own choice; ``copy`` never encodes.
        crf: Constant quality on the encoder's own scale.
        video_bitrate, audio_bitrate: Bits a second.
        audio_codec: ``auto``, ``copy``, ``none`` or a key of
            :data:`~pitchey_core.ffmpeg.encoders.AUDIO_ENCODERS`.
        start, duration: The part to keep, in seconds.
        max_fps: Frames a second at most.
        loudness: Integrated loudness to normalise to, in LUFS.
        force: Encode also what could be copied.
    """

    container: Container
    box: tuple[int, int] | None = None
    codec: VideoCodec = "auto"
    crf: int | None = None
    video_bitrate: int | None = None
    speed: Speed = "medium"
    audio_codec: str = "auto"
    audio_bitrate: int | None = None
    start: float | None = None
    duration: float | None = None
    max_fps: float | None = None
    loudness: float | None = None
    force: bool = False

    @property
    def trimmed(self) -> bool:
        return bool(self.start) or self.duration is not None

    def forced(self) -> Wanted:
        """The same, with everything encoded that was going to be copied by choice of the planner."""
        return replace(self, force=True)


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What becomes of one stream of the input, as it appears in the facts of a job.

    Attributes:
        index: Its position in the input.
        codec: What it is.
        action: ``copy``, ``encode`` or ``drop``.
        to: What it becomes, in words: ``H.264 1280x720``; empty if dropped.
        reason: Why.
    """

    index: int
    kind: str
    codec: str
    action: Action
    to: str = ""
    reason: str = ""
    language: str | None = None

    @classmethod
    def of(cls, stream: StreamInfo, action: Action, to: str = "", reason: str = "") -> StreamReport:
        """The line for a stream."""
        return cls(stream.index, stream.kind, stream.codec, action, to, reason, stream.language)


@dataclass(frozen=True, slots=True)
class Step:
    """A stream that is kept, with all that is needed to build its part of the command line.

    Attributes:
        codec: What it will be; the same as the source's when copied.
        size: Width and height of an encoded picture.
        filters: What an encoded stream goes through.
    """

    source: StreamInfo
    action: Literal["copy", "encode"]
    codec: str
    size: tuple[int, int] | None = None
    filters: tuple[Filter, ...] = ()
    audio: AudioEncoder | None = None
    bit_rate: int | None = None


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """The plan for one output.

    Attributes:
        reports: One for each stream of the input, in its order.
        warnings: What the user should know although nothing failed.
    """

    wanted: Wanted
    video: Step
    audio: tuple[Step, ...]
    subtitles: tuple[Step, ...]
    attachments: tuple[Step, ...]
    reports: tuple[StreamReport, ...]
    warnings: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is kept, in the order of the output's streams."""
        return (self.video, *self.audio, *self.subtitles, *self.attachments)

    @property
    def encodes(self) -> bool:
        """Whether any picture or sound is encoded."""
        return any(step.action == "encode" for step in (self.video, *self.audio))

    @property
    def copies_by_choice(self) -> bool:
        """Whether something is copied that could be encoded instead, should copying fail."""
        asked = self.wanted
        return (self.video.action == "copy" and asked.codec != "copy") or (
            asked.audio_codec != "copy" and any(step.action == "copy" for step in self.audio)
        )
