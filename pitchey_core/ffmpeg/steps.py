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
        insist, insist_sound: Encode for the sake of ``crf`` or a bit rate also what would fit; else these hold only for
            what has to be encoded anyway, or for sound of a much higher rate.
        from_start: Let every stream begin with the file, padded with a still picture or silence, because what is made
            cannot say that one begins later.
        audio_codec: ``auto``, ``copy``, ``none`` or a key of
            :data:`~pitchey_core.ffmpeg.encoders.AUDIO_ENCODERS`.
        start, duration: The part to keep, in seconds.
        max_fps: Frames a second at most.
        loudness: Integrated loudness to normalise to, in LUFS.
        picture: False for an output of sound alone, also in a container that could hold more.
        track: Index of the one sound stream to keep; ``None``: all of them.
        subtitles: Whether to keep what subtitles the container can hold.
        max_bitrate: Bits a second that the picture may have: more is not copied, and encoders are capped there.
        key_seconds: A key frame exactly this often, so that renditions can be switched there.
        max_key_seconds: A key frame at least this often; ``None``: every five seconds.
        profile: H.264 profile: ``baseline``, ``main`` or ``high``.
        max_channels: More sound channels are mixed down.
        sample_rate: Of the sound, in Hz.
        options: Further options of the muxer.
        force: Why also that is encoded which could be copied; ``None``: it is copied.
    """

    container: Container
    box: tuple[int, int] | None = None
    codec: VideoCodec = "auto"
    crf: int | None = None
    video_bitrate: int | None = None
    speed: Speed = "medium"
    audio_codec: str = "auto"
    audio_bitrate: int | None = None
    insist: bool = True
    insist_sound: bool = True
    from_start: bool = False
    start: float | None = None
    duration: float | None = None
    max_fps: float | None = None
    loudness: float | None = None
    picture: bool = True
    track: int | None = None
    subtitles: bool = True
    max_bitrate: int | None = None
    key_seconds: float | None = None
    max_key_seconds: float | None = None
    profile: str | None = None
    max_channels: int | None = None
    sample_rate: int | None = None
    options: tuple[tuple[str, str], ...] = ()
    force: str | None = None

    @property
    def trimmed(self) -> bool:
        return bool(self.start) or self.duration is not None

    def forced(self) -> Wanted:
        """The same, with everything encoded that was going to be copied by choice of the planner."""
        return replace(self, force="copying it failed")


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
        max_fps: The cap on the frame rate that is among them.
        layout: Channel layout that encoded sound ends in; ``None``: as it is.
    """

    source: StreamInfo
    action: Literal["copy", "encode"]
    codec: str
    size: tuple[int, int] | None = None
    filters: tuple[Filter, ...] = ()
    audio: AudioEncoder | None = None
    bit_rate: int | None = None
    max_fps: float | None = None
    layout: str | None = None


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """The plan for one output.

    Attributes:
        video: ``None`` for an output of sound alone.
        reports: One for each stream of the input, in its order.
        warnings: What the user should know although nothing failed.
    """

    wanted: Wanted
    video: Step | None
    audio: tuple[Step, ...]
    subtitles: tuple[Step, ...]
    attachments: tuple[Step, ...]
    reports: tuple[StreamReport, ...]
    warnings: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is kept, in the order of the output's streams."""
        return (*self.played, *self.subtitles, *self.attachments)

    @property
    def played(self) -> tuple[Step, ...]:
        """Picture and sound."""
        return self.audio if self.video is None else (self.video, *self.audio)

    @property
    def draws(self) -> bool:
        """Whether a picture is encoded."""
        return self.video is not None and self.video.action == "encode"

    @property
    def encodes(self) -> bool:
        """Whether any picture or sound is encoded."""
        return any(step.action == "encode" for step in self.played)

    @property
    def copies_by_choice(self) -> bool:
        """Whether something is copied that could be encoded instead, should copying fail."""
        asked = self.wanted
        picture = self.video is not None and self.video.action == "copy" and asked.codec != "copy"
        return picture or (asked.audio_codec != "copy" and any(step.action == "copy" for step in self.audio))
