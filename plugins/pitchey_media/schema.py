"""What a preset may say. Presets are data: TOML tables of this shape, wherever they come from."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from pitchey_core.errors import ConfigError
from pitchey_core.ffmpeg.encoders import VIDEO_ENCODERS
from pitchey_core.ffmpeg.formats import CONTAINERS, QUALITY_BOXES, Speed, VideoCodec

__all__ = [
    "AnimationSettings",
    "AudioSettings",
    "HlsSettings",
    "Preset",
    "QualityTarget",
    "Rung",
    "ThumbnailSettings",
    "VideoSettings",
    "WaveformSettings",
    "box_of",
    "parse_preset",
]

_SIZE = re.compile(r"source|\d{2,4}p|\d{2,5}x\d{2,5}")


def _is_size(text: str) -> str:
    if not _SIZE.fullmatch(text):
        raise ValueError(f"{text!r} is no size; write 1080p, 640x360 or source")
    return text


Size = Annotated[str, AfterValidator(_is_size)]


def box_of(size: str) -> tuple[int, int] | None:
    """Width and height that a landscape picture must fit into: ``720p``, ``640x360``; ``None`` for ``source``."""
    if size in QUALITY_BOXES:
        return QUALITY_BOXES[size]
    if size.endswith("p"):
        height = int(size[:-1])
        return (round(height * 16 / 9 / 2) * 2, height)
    width, _, height_text = size.partition("x")
    return int(width), int(height_text)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class QualityTarget(_Table):
    """A quality to reach instead of a fixed constant-quality value.

    Attributes:
        vmaf: Mean VMAF of the output against the source at the output's size, 0 to 100. Where ffmpeg has no
            libvmaf, SSIM stands in, and the facts say so.
        min_crf, max_crf: Where to look, on the encoder's own scale.
    """

    vmaf: float = Field(ge=20, le=99)
    min_crf: int = Field(12, ge=0, le=63)
    max_crf: int = Field(40, ge=0, le=63)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_crf >= self.max_crf:
            raise ValueError(f"min_crf ({self.min_crf}) is not below max_crf ({self.max_crf})")
        return self


class VideoSettings(_Table):
    """The picture.

    Attributes:
        codec: ``auto`` is the container's usual one.
        size: The largest picture: ``1080p``, ``640x360`` or ``source``; it is never enlarged.
        crf: Constant quality on the encoder's own scale.
        bitrate: Average bits a second, instead of ``crf``.
        quality: A quality to reach, instead of ``crf``.
        max_bitrate: Bits a second at most: a source that has more is not copied, and the encoder is capped.
        speed: Encoder preset.
        max_fps: Frames a second at most.
        profile: H.264 profile.
        key_seconds: A key frame exactly this often.
        max_key_seconds: A key frame at least this often; others come at cuts. More of them make seeking faster and
            files larger.
        copy_fitting: Copy what fits already; ``false`` always encodes.
    """

    codec: VideoCodec = "auto"
    size: Size = "source"
    crf: int | None = Field(None, ge=0, le=63)
    bitrate: int | None = Field(None, ge=10_000, le=400_000_000)
    quality: QualityTarget | None = None
    max_bitrate: int | None = Field(None, ge=10_000, le=400_000_000)
    speed: Speed = "medium"
    max_fps: float | None = Field(None, gt=0, le=480)
    profile: Literal["baseline", "main", "high"] | None = None
    key_seconds: float | None = Field(None, ge=0.1, le=60)
    max_key_seconds: float = Field(5.0, ge=0.1, le=60)
    copy_fitting: bool = True

    @model_validator(mode="after")
    def _one_rate(self) -> Self:
        given = [name for name in ("crf", "bitrate", "quality") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of {' and '.join(given)}")
        if self.codec == "copy" and given:
            raise ValueError(f"codec=copy takes no {given[0]}")
        return self


class AudioSettings(_Table):
    """The sound.

    Attributes:
        bitrate: Bits a second of each track.
        channels: More are mixed down.
        sample_rate: In Hz.
        loudness: Integrated loudness to normalise to, in LUFS, with true peaks below -1 dBTP.
        copy_fitting: Copy what fits already; ``false`` always encodes.
    """

    codec: Literal["auto", "aac", "opus", "mp3", "ac3", "flac", "pcm_s16le", "copy", "none"] = "auto"
    bitrate: int | None = Field(None, ge=8_000, le=1_536_000)
    channels: int | None = Field(None, ge=1, le=8)
    sample_rate: int | None = Field(None, ge=8_000, le=192_000)
    loudness: float | None = Field(None, ge=-70, le=-5)
    copy_fitting: bool = True

    @model_validator(mode="after")
    def _encodes(self) -> Self:
        if self.loudness is not None and self.codec in {"copy", "none"}:
            raise ValueError(f"loudness needs sound that is encoded, not codec={self.codec}")
        return self


class Rung(_Table):
    """One rendition of a ladder; see :class:`VideoSettings`."""

    size: Size
    crf: int | None = Field(None, ge=0, le=63)
    max_bitrate: int = Field(ge=10_000, le=400_000_000)


class HlsSettings(_Table):
    """A ladder.

    Attributes:
        segment_seconds: Length of a segment: a multiple of ``video.key_seconds``.
        rungs: From large to small. Those larger than the source are left out but for the first of them, which gets
            the source's size.
    """

    segment_seconds: float = Field(6.0, ge=1, le=30)
    rungs: tuple[Rung, ...] = Field(min_length=1, max_length=12)


class AnimationSettings(_Table):
    """A short silent animation.

    Attributes:
        width: In pixels; never larger than the source.
        start: In seconds; default: a tenth into the title.
    """

    formats: tuple[Literal["gif", "webp"], ...] = Field(("gif", "webp"), min_length=1)
    width: int = Field(400, ge=16, le=1920)
    fps: float = Field(10, gt=0, le=50)
    seconds: float = Field(4, gt=0, le=60)
    start: float | None = Field(None, ge=0)


class WaveformSettings(_Table):
    """A picture of the sound, and its peaks.

    Attributes:
        width, height: Of the picture, in pixels.
        colour: Of the wave, as RRGGBB; the rest is transparent.
        points_per_second: Pairs of lowest and highest sample in the JSON file.
    """

    width: int = Field(1800, ge=16, le=8192)
    height: int = Field(280, ge=16, le=4096)
    colour: str = Field("3b82f6", pattern=r"^[0-9a-fA-F]{6}$")
    points_per_second: int = Field(20, ge=1, le=1000)


class ThumbnailSettings(_Table):
    """Pictures of the video, made if the job asks for thumbnails."""

    count: int = Field(5, ge=0, le=100)
    width: int = Field(640, ge=16, le=7680)
    format: Literal["jpeg", "webp", "png"] = "jpeg"
    poster: bool = False
    sprite: bool = False


class Preset(_Table):
    """One preset.

    Attributes:
        output: ``file``: one media file; ``hls``: a ladder; ``animation``; ``waveform``.
        container: Of a media file; also one for sound alone: ``m4a``, ``mp3``, ``opus``, ``flac``, ``wav``.
        subtitles: Keep those that the container can hold; a ladder carries text as WebVTT.
        may_grow: Keep an output that is larger than the source; else it is encoded again at the source's bit rate.
    """

    summary: str = ""
    output: Literal["file", "hls", "animation", "waveform"] = "file"
    container: str = "mp4"
    video: VideoSettings = VideoSettings()
    audio: AudioSettings = AudioSettings()
    subtitles: bool = True
    hls: HlsSettings | None = None
    animation: AnimationSettings = AnimationSettings()
    waveform: WaveformSettings = WaveformSettings()
    thumbnails: ThumbnailSettings = ThumbnailSettings()
    may_grow: bool = False

    @field_validator("container")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in CONTAINERS:
            raise ValueError(f"unknown container {name!r}; known: {', '.join(CONTAINERS)}")
        return name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        box = CONTAINERS[self.container]
        if self.output == "hls":
            self._check_ladder()
        elif self.output == "file":
            codec, sound = self.video.codec, self.audio.codec
            if not box.picture and sound == "none":
                raise ValueError(f"{box.name} holds nothing but sound, so audio.codec cannot be none")
            if box.picture and codec in VIDEO_ENCODERS and codec not in box.holds_video:
                raise ValueError(f"{box.name} does not hold {codec}")
            if sound not in {"auto", "copy", "none"} and sound not in box.holds_audio:
                raise ValueError(f"{box.name} does not hold {sound} sound")
        return self

    def _check_ladder(self) -> None:
        if self.hls is None:
            raise ValueError("output=hls needs a table hls with its rungs")
        if self.video.codec not in {"auto", "h264"} or self.audio.codec not in {"auto", "aac", "none"}:
            raise ValueError("a ladder is made of h264 and aac, which every HLS player reads")
        keys = self.video.key_seconds or self.hls.segment_seconds
        if abs(self.hls.segment_seconds / keys - round(self.hls.segment_seconds / keys)) > 1e-6:
            raise ValueError(f"segment_seconds is not a multiple of key_seconds ({keys:g})")
        if self.video.quality is not None or self.video.bitrate is not None:
            raise ValueError("a ladder's quality and bit rates are those of its rungs")


def parse_preset(name: str, table: dict[str, Any]) -> Preset:
    """Validate a preset.

    Raises:
        ConfigError: Something in it is wrong; the message names the key.
    """
    try:
        return Preset.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(map(str, first["loc"]))
        where = f"preset {name!r}" + (f", {path}" if path else "")
        raise ConfigError(
            f"{where}: {first['msg'].removeprefix('Value error, ')}",
            remedy=f"pitchey-run presets show {name} prints what it inherits; docs/media.md lists every key",
        ) from None
